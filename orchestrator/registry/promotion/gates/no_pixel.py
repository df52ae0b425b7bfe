"""Gate: better than the baselines that do not read the image."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.paired_bootstrap import Pair, paired_difference
from orchestrator.training.bootstrap import Interval

NO_PIXEL = {
    "generator_mean": "the generator's mean",
    "prompt_mean": "the prompt's mean",
    "generator_prompt_mean": "generator and prompt means",
}
"""Baselines that do not read the image. A baseline without predictions for the test images has no table."""


class BeatsNoPixel(Gate):
    """Paired bootstrap against predictors that know only the generator or the prompt."""

    name = "beats the no-pixel baselines"
    comparative = True

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Compare the configuration with each baseline, split by split; require every gain to be above zero."""
        results = inputs.candidate.results
        if not results.baselines():
            return self.result(False, f"the sweep {results.name} has no run of the baselines")
        planned = {run.data.tags["split"] for run in inputs.candidate.runs}
        complete = {run.data.tags["split"] for run in results.baselines()}
        if missing := planned - complete:
            return self.result(
                False,
                f"{len(missing)} of the {len(planned)} splits have no complete run of the baselines, and a median over "
                "the others is biased",
                splits=len(planned) - len(missing),
            )
        try:
            intervals = {name: interval for name in NO_PIXEL if (interval := _compare(inputs, name)) is not None}
        except _PredictionsMissing as error:
            return self.result(False, str(error))
        # A baseline with constant predictions has no correlation, so there is nothing to beat.
        defined = {name: interval for name, interval in intervals.items() if not interval.reason}
        figures = {name: interval_figures(interval) for name, interval in defined.items()}
        if not defined:
            return self.result(True, "none of them can rank these test images", **figures)
        closest = min(defined, key=lambda name: defined[name].low)
        interval = defined[closest]
        passed = interval.low > 0
        short = "" if passed else f": the lower end is {-interval.low:.4f} short of zero"
        gain = difference(interval, inputs.thresholds.metric)
        return self.result(passed, f"{gain} to {NO_PIXEL[closest]}, {bounds(interval)}{short}", **figures)


class _PredictionsMissing(Exception):
    """Raised if a baseline logged a test metric but its predictions are missing."""


def _compare(inputs: GateInputs, name: str) -> Interval | None:
    candidate = inputs.candidate
    by_split = {run.data.tags["split"]: run for run in candidate.results.baselines()}
    pairs: list[Pair] = []
    for run in candidate.runs:
        baseline = by_split.get(run.data.tags["split"])
        table = candidate.results.table(baseline, f"{name}.csv", "baselines") if baseline else None
        if table is None and baseline and any(key.startswith(f"{name}_test_") for key in baseline.data.metrics):
            raise _PredictionsMissing(f"the predictions of {NO_PIXEL[name]} of {baseline.info.run_name} are missing")
        if table is not None:
            pairs.append((candidate.table_of(run), table))
    if not pairs:
        return None
    return paired_difference(pairs, candidate.targets, inputs.thresholds.metric, inputs.thresholds.confidence)
