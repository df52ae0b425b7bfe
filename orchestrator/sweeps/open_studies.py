"""Studies of a sweep: the ledgers of its searches and of its confirm runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from models import CONTROL
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import Study
from orchestrator.execution.plan import Arm
from orchestrator.execution.prepare import PreparedSweep
from orchestrator.search.changed_ranges import ChangedRangesSampler
from orchestrator.search.initial_trials import InitialTrials
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage, study_name
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.tracking.spooled_runs import SpoolIndex

logger = logging.getLogger(__name__)

OBJECTIVE = "validation SRCC"
"""Name of the studies' objective in Optuna's dashboard."""


@dataclass(frozen=True)
class SweepStudies:
    """Ledgers of a sweep, one for each study, in one storage.

    Attributes:
        arms: searches with their ledgers.
        confirm: ledger of the confirm runs and baselines.
    """

    arms: tuple[Arm, ...]
    confirm: Ledger

    @property
    def ledgers(self) -> dict[Study, Ledger]:
        """Ledgers by study."""
        return {**{arm.study: arm.ledger for arm in self.arms}, "confirm": self.confirm}


def open_studies(
    prepared: PreparedSweep,
    workspace: Workspace,
    index: SpoolIndex | None = None,
    report: Callable[[str], None] = logger.warning,
    stopping: threading.Event | None = None,
) -> SweepStudies:
    """Open the sweep's ledgers, or create them with the first trials of `--enqueue` and `--warm-start` queued.

    Args:
        prepared: the sweep.
        workspace: its folder.
        index: contents of its spool, which restore trials that a ledger lost in a crash.
        report: called with a sentence on what was restored, or that the ledger does not answer.
        stopping: set by the user's signal; ends the attempts to reach the ledger.
    """
    spec = prepared.spec
    storage = open_storage(spec.ledger, workspace.ledger, report, stopping)
    searches = [("search", spec.variant, prepared.control_of, prepared.space)]
    if prepared.control_space is not None:
        searches.append(("control", CONTROL, spec.variant, prepared.control_space))
    known_first = workspace.first.is_file()  # sweeps of an earlier version lack the file
    first = InitialTrials.load(workspace.first) if known_first else prepared.first_trials()[0]
    arms = []
    for study, variant, of, space in searches:
        ledger = Ledger(storage, study_name(storage, spec, study), space, objective=OBJECTIVE)
        if index and (restored := ledger.restore(index.params(study))):
            report(f"The ledger had lost its end; {len(restored)} trials of {study} got their parameters back.")
        known = len(ledger.all())
        # A resumed sampler with the same seed would propose what it proposed before.
        sampler = build_sampler(spec.sampler, spec.seed + known)
        if workspace.earlier_spaces():
            sampler = ChangedRangesSampler(sampler, space)
        ledger.set_sampler_and_pruner(sampler, build_pruner(spec.pruner, spec.epochs))
        # They are a ledger's first trials, in this order; after a crash the rest of them is missing.
        for params in getattr(first, study)[known:]:
            ledger.enqueue(params)
        arms.append(Arm(study, variant, of, space, ledger))  # type: ignore[arg-type]
    confirm = Ledger(storage, study_name(storage, spec, "confirm"), None, objective=OBJECTIVE)
    lost = index.attributes("confirm") if index else {}
    while (number := len(confirm)) in lost:
        confirm.enqueue({}, lost[number])
    return SweepStudies(tuple(arms), confirm)
