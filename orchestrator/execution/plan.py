"""What a sweep is to do: its searches, its budgets, and every trial of them as the job that it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from orchestrator.execution.job import Job, Study
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.space import SearchSpace


@dataclass(frozen=True)
class Arm:
    """One search: the variant's or its control's."""

    study: Study
    variant: str
    of: str | None
    space: SearchSpace
    ledger: Ledger


@dataclass(frozen=True)
class Plan:
    """How much work a sweep is.

    Attributes:
        trials: budget of every arm, in trials that ended whichever way.
        confirm: configurations of every arm to confirm; 0 for none.
        splits: splits they are confirmed on, 1 to `splits`; the search itself uses split 0.
        seed: of the sweep.
        epochs: of every training.
        concurrency: jobs at a time; None leaves it to Ray's resources.
        deadline: seconds since 1970 after which no more trials are asked for.
    """

    trials: int
    confirm: int
    splits: int
    seed: int
    epochs: int
    concurrency: int | None = None
    deadline: float = math.inf


def searched_job(study: Study, variant: str, of: str | None, space: SearchSpace, trial: LedgerTrial, plan: Plan) -> Job:
    """A trial of a search as the job that it is."""
    configuration = space.configuration(trial.params)
    return Job(
        study=study,
        number=trial.number,
        variant=variant,
        control_of=of,
        model=configuration.model,
        training={**configuration.training, "epochs": plan.epochs},
        split=0,
        seed=plan.seed,
        test=False,
        params=trial.params,
        backbone=configuration.backbone,
    )


def confirm_job(trial: LedgerTrial, plan: Plan, searched: Job | None) -> Job:
    """A trial of the study `confirm` as the job that it is: `searched` trained anew, or the baselines of its split."""
    split = trial.attributes["split"]
    shared: dict[str, Any] = {
        "study": "confirm",
        "number": trial.number,
        "split": split,
        "seed": plan.seed + split,
        "test": True,
    }
    if searched is None:
        return Job(variant="", control_of=None, model={}, training={"epochs": 1}, **shared)
    return Job(
        variant=searched.variant,
        control_of=searched.control_of,
        model=searched.model,
        training=searched.training,
        source=searched.key,
        params=searched.params,
        backbone=searched.backbone,
        **shared,
    )
