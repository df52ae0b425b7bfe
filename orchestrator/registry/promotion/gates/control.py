"""Gate: better than the control, a plain head without a hypernetwork."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from models import CONTROL
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.paired_bootstrap import Pair, paired_difference

if TYPE_CHECKING:
    from mlflow.entities import Run


class BeatsControl(Gate):
    """Paired bootstrap of the configuration and the control, which was searched with the same budget."""

    name = "beats plain_head"
    comparative = True

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Compare with the control's best configuration by validation, split by split; require a gain above zero."""
        candidate, thresholds = inputs.candidate, inputs.thresholds
        if candidate.results.spec.variant == CONTROL:
            return self.result(True, "it is plain_head itself")
        control = _best(candidate.results.configurations(KEY_PREFIX["control"]), thresholds.metric)
        by_split = {run.data.tags["split"]: run for run in reversed(control)}
        pairs: list[Pair] = []
        for run in candidate.runs:
            control_run = by_split.get(run.data.tags["split"])
            table = candidate.results.predictions(control_run) if control_run is not None else None
            if table is not None:
                pairs.append((candidate.table_of(run), table))
        if not pairs:
            return self.result(False, f"the sweep {candidate.results.name} confirmed no control to compare with")
        if len(pairs) < len(candidate.runs):
            return self.result(
                False,
                f"only {len(pairs)} of the {len(candidate.runs)} confirm runs have a control with predictions on the "
                "same split, and a median over some of the splits is biased",
                splits=len(pairs),
            )
        interval = paired_difference(pairs, candidate.targets, thresholds.metric, thresholds.confidence)
        figures = interval_figures(interval, splits=len(pairs))
        if interval.reason:
            return self.result(False, f"no comparison: {interval.reason}", **figures)
        passed = interval.low > 0
        short = "" if passed else f": the lower end is {-interval.low:.4f} short of zero"
        return self.result(passed, f"{difference(interval, thresholds.metric)}, {bounds(interval)}{short}", **figures)


def _best(configurations: dict[str, list[Run]], metric: str) -> list[Run]:
    """Return the runs of the configuration with the best validation median."""

    def score(runs: list[Run]) -> float:
        return median(run.data.metrics.get(f"best_val_{metric}", -1.0) for run in runs)

    return max(configurations.values(), key=score, default=[])
