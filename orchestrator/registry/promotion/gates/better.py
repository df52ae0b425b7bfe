"""Gate: better than the champion."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format_intervals import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.paired_bootstrap import paired_difference, shared_targets


class BetterThanChampion(Gate):
    """Paired bootstrap over prompts of candidate and champion on the same test images."""

    name = "better than the champion"
    comparative = True

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Require the interval's lower end to be above the minimum gain."""
        candidate, champion, thresholds = inputs.candidate, inputs.champion, inputs.thresholds
        if champion is None:
            return self.result(True, "there is no champion to beat yet")
        number = int(champion.version.version)
        version = f"version {number}"
        if str(champion.version.run_id) == candidate.run.info.run_id:
            return self.result(False, f"{version} is this very model", champion=number)
        if champion.table is None:
            return self.result(False, f"it cannot be compared with {version}")
        targets = shared_targets(candidate.table, champion.table)
        if set(targets) != set(candidate.targets):
            return self.result(False, f"{version} does not predict the same scores")
        pairs = [(candidate.table, champion.table)]
        try:
            interval = paired_difference(pairs, targets, thresholds.metric, thresholds.confidence)
        except ValueError as error:
            return self.result(False, f"it cannot be compared with {version}: {error}")
        figures = interval_figures(interval, champion=number, min_gain=thresholds.min_gain)
        if interval.reason:
            return self.result(False, f"{version}: {interval.reason}", **figures)
        passed = interval.low > thresholds.min_gain
        minimum = f"{thresholds.min_gain:+g}" if thresholds.min_gain else "zero"
        short = "" if passed else f": the lower end is {thresholds.min_gain - interval.low:.4f} short of {minimum}"
        sentence = f"{difference(interval, thresholds.metric)} to {version}, {bounds(interval)}{short}"
        return self.result(passed, sentence, **figures)
