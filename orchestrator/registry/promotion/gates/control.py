"""Gate: not shown to be worse than the control, a plain head without a hypernetwork."""

from __future__ import annotations

from models import CONTROL
from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format_intervals import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class NotWorseThanControl(Gate):
    """Paired bootstrap of the configuration and the control, which was searched with the same budget."""

    name = f"not worse than {CONTROL}"
    comparative = True

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Refuse an interval below zero, and an estimate below zero by more than the margin."""
        if inputs.candidate.variant == CONTROL:
            return self.result(True, f"it is {CONTROL} itself")
        found, margin = inputs.differences["control"], inputs.thresholds.margin
        interval = found.interval
        if interval is None:
            return self.result(False, found.problem, splits=found.splits)
        figures = interval_figures(interval, splits=found.splits, margin=margin)
        if interval.reason:
            return self.result(False, f"no comparison: {interval.reason}", **figures)
        sentence = f"{difference(interval, inputs.thresholds.metric)}, {bounds(interval)}"
        if interval.high < 0:
            return self.result(False, f"{sentence}: it is worse than {CONTROL}", **figures)
        if interval.estimate < -margin:
            return self.result(False, f"{sentence}: it is further below {CONTROL} than {margin:g}", **figures)
        return self.result(True, sentence, **figures)
