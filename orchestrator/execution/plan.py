"""Plan of a sweep: its searches, its budgets, and the job of each of their trials."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.spec import SweepSpec
from orchestrator.execution.job import Job, Study
from orchestrator.execution.retry_policy import RetryPolicy
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.space import SearchSpace


@dataclass(frozen=True)
class Arm:
    """Search of a sweep: the variant's or its control's.

    Attributes:
        study: study of the ledger.
        variant: registered name.
        of: variant that this one is the control of; None for the sweep's variant.
        space: search space.
        ledger: trials of the search.
    """

    study: Study
    variant: str
    of: str | None
    space: SearchSpace
    ledger: Ledger


@dataclass(frozen=True)
class Plan:
    """Budgets of a sweep.

    Attributes:
        trials: budget of every arm, in trials that ended with any outcome.
        confirm: configurations of every arm to confirm; 0 for none.
        splits: number of splits they are confirmed on, 1 to `splits`; the search uses split 0.
        seed: of the sweep.
        epochs: of every training.
        deadline: time in seconds since 1970 after which no trial is asked for.
        retry_policy: number of retries of a job.
    """

    trials: int
    confirm: int
    splits: int
    seed: int
    epochs: int
    deadline: float = math.inf
    retry_policy: RetryPolicy = RetryPolicy()


def searched_job(study: Study, variant: str, of: str | None, space: SearchSpace, trial: LedgerTrial, plan: Plan) -> Job:
    """Return the job of a trial of a search."""
    configuration = space.configuration(trial.params, in_range=False)
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
    """Return the job of a trial of the study `confirm`: `searched` trained again, or the baselines of its split."""
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


def make_plan(spec: SweepSpec, began: float) -> Plan:
    """Return the budgets of a sweep whose process began at `began`, by `time.monotonic`."""
    seconds = spec.max_hours * 3600 - (time.monotonic() - began) if spec.max_hours else math.inf
    return Plan(
        trials=spec.trials,
        confirm=spec.confirm,
        splits=spec.splits,
        seed=spec.seed,
        epochs=spec.epochs,
        deadline=time.time() + seconds,
        retry_policy=RetryPolicy.from_setting(spec.retries),
    )


def job_budget(spec: SweepSpec, arms: Sequence[Arm]) -> int:
    """Return the largest number of jobs of a sweep with these searches: trials, confirm runs and baselines."""
    trials = [trial_budget(arm, spec.trials) for arm in arms]
    confirm = (sum(min(spec.confirm, count) for count in trials) + 1) * spec.splits if spec.confirm else 0
    return sum(trials) + confirm


def trial_budget(arm: Arm, trials: int) -> int:
    """Return the largest number of trials of a search: the budget, or the configurations of its space if fewer.

    Trials that an earlier version repeated count as well.
    """
    configurations = arm.ledger.configurations()
    return trials if configurations is None else min(trials, max(configurations, arm.ledger.asked()))


def exhausted_sentence(arm: Arm, trials: int) -> str | None:
    """Return a sentence that says that a search ended before its budget since its space has no more configurations."""
    asked = arm.ledger.asked()
    if asked >= trials or not arm.ledger.exhausted():
        return None
    which = "of the control " if arm.study == "control" else ""
    return (
        f"The search {which}ended after {asked} of {trials} trials: its space has no more configurations, and none is "
        "trained twice with one seed."
    )
