"""Gate: above the baselines that do not read the image."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format_intervals import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.reporting.claims import NO_PIXEL


class AboveNoPixel(Gate):
    """Comparison with predictors that know only the generator or the prompt."""

    name = "above the no-pixel baselines"
    comparative = True

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Require the estimate of every difference to be above zero; a baseline that cannot rank is excluded."""
        found = {name: inputs.differences[name] for name in NO_PIXEL}
        for one in found.values():
            if one.problem:
                return self.result(False, one.problem, splits=one.splits)
        # A baseline with constant predictions has no correlation, so it cannot be compared.
        defined = {name: one.interval for name, one in found.items() if one.interval and not one.interval.reason}
        figures = {name: interval_figures(interval) for name, interval in defined.items()}
        if not defined:
            return self.result(True, "none of them can rank these test images", **figures)
        closest = min(defined, key=lambda name: defined[name].estimate)
        interval, opponent = defined[closest], NO_PIXEL[closest]
        passed = interval.estimate > 0
        where = "" if passed else f": {opponent}, which sees no pixel, is as good or better"
        gain = difference(interval, inputs.thresholds.metric)
        return self.result(passed, f"{gain} to {opponent}, {bounds(interval)}{where}", **figures)
