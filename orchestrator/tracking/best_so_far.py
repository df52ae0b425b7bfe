"""Best-so-far curves of a sweep's searches, as metrics of the sweep's run."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.execution.job import KEY_PREFIX, Job, Study
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.spooled_runs import SpooledRun, SpoolIndex

CURVES: dict[Study, str] = {"search": "best_so_far_val_srcc", "control": "control_best_so_far_val_srcc"}
"""Study → name of its curve."""

_OBJECTIVE = "best_val_srcc"
_ENDED = frozenset(str(outcome) for outcome in Outcome)


@dataclass
class _Curve:
    ended: int = 0
    best: float | None = None

    def add(self, objective: float | None, counted: bool = False) -> None:
        self.ended += not counted
        if objective is not None:
            self.best = objective if self.best is None else max(self.best, objective)


class BestSoFar:
    """Best objective after each ended trial, for each search of a sweep.

    Args:
        index: what the spool holds; trials that ended before count.
    """

    def __init__(self, index: SpoolIndex) -> None:
        self._curves: dict[str, _Curve] = {KEY_PREFIX[study]: _Curve() for study in CURVES}
        for key, run in index.runs.items():
            curve = self._curves.get(key.rpartition("-")[0])
            if curve is not None and has_ended(run):
                curve.add(run.final.get(_OBJECTIVE))

    def add(self, job: Job, objective: float | None, counted: bool = False) -> tuple[int, dict[str, float]]:
        """Add a trial that ended; return the number of ended trials and the curve's new point, if it has one.

        Args:
            job: the trial.
            objective: its objective, if it has one.
            counted: whether the trial is among the ended ones already.
        """
        if job.study not in CURVES:
            return 0, {}
        curve = self._curves[KEY_PREFIX[job.study]]
        curve.add(objective, counted)
        return curve.ended, {} if curve.best is None else {CURVES[job.study]: curve.best}


def has_ended(run: SpooledRun) -> bool:
    """Return whether a run ended with an outcome; an interrupted one did not."""
    return run.status is not None and run.tags.get("outcome") in _ENDED
