"""The books of a sweep: the ledgers of its searches and of its confirm runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.workspace import Workspace
from orchestrator.execution.job import Study
from orchestrator.execution.plan import Arm
from orchestrator.execution.prepare import CONTROL, PreparedSweep
from orchestrator.search.initial_trials import InitialTrials
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage, study_name
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.tracking.spool_index import SpoolIndex

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepStudies:
    """The ledgers of a sweep: one a study, all in one storage."""

    arms: tuple[Arm, ...]
    confirm: Ledger

    @property
    def ledgers(self) -> dict[Study, Ledger]:
        """Every study's."""
        return {**{arm.study: arm.ledger for arm in self.arms}, "confirm": self.confirm}


def open_studies(
    prepared: PreparedSweep,
    workspace: Workspace,
    told: SpoolIndex | None = None,
    say: Callable[[str], None] = logger.warning,
    stopping: threading.Event | None = None,
) -> SweepStudies:
    """The sweep's ledgers, opened or made; `--enqueue`, `--warm-start` and the known-good default come first.

    Args:
        prepared: the sweep.
        workspace: its folder.
        told: what the spool knows of it, from which a ledger that lost its end gets back what it had handed out.
        say: told what was mended in the ledger, or that it does not answer.
        stopping: set where it stays away.
    """
    spec = prepared.spec
    storage = open_storage(spec.ledger, workspace.ledger, say, stopping)
    searches = [("search", spec.variant, prepared.control_of, prepared.space)]
    if prepared.control_space is not None:
        searches.append(("control", CONTROL, spec.variant, prepared.control_space))
    known_first = workspace.first.is_file()  # a sweep of an earlier version has no such file
    first = InitialTrials.load(workspace.first) if known_first else prepared.first_trials()[0]
    arms = []
    for study, variant, of, space in searches:
        ledger = Ledger(storage, study_name(spec.ledger, spec.id, study), space)
        if told and (restored := ledger.restore(told.params(study))):
            say(f"The ledger had lost its end; {len(restored)} trials of {study} got their parameters back.")
        known = len(ledger.all())
        # A resumed sampler with the same seed would propose what it proposed before.
        ledger.set_sampler_and_pruner(
            build_sampler(spec.sampler, spec.seed + known), build_pruner(spec.pruner, spec.epochs)
        )
        # They are a ledger's first trials, in this order: those that a kill left out are the rest.
        for params in getattr(first, study)[known:]:
            ledger.enqueue(params)
        arms.append(Arm(study, variant, of, space, ledger))  # type: ignore[arg-type]
    confirm = Ledger(storage, study_name(spec.ledger, spec.id, "confirm"), None)
    lost = told.attributes("confirm") if told else {}
    while (number := len(confirm)) in lost:
        confirm.enqueue({}, lost[number])
    return SweepStudies(tuple(arms), confirm)
