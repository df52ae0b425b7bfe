"""Gate: confirmed on test, not on validation."""

from __future__ import annotations

import math

from orchestrator.data.splits import is_optimistic
from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class Confirmed(Gate):
    """Every planned confirm run is complete, and no test image was used for model selection."""

    name = "confirmed on test"

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Require a protocol with a test set of its own, and a logged test metric for every split."""
        candidate = inputs.candidate
        spec, metric = candidate.results.spec, inputs.thresholds.metric
        figures = {"runs": len(candidate.runs), "planned": spec.splits, "protocol": spec.protocol}
        if is_optimistic(spec.protocol):
            return self.result(
                False,
                f"the protocol {spec.protocol} chooses epochs on the test images, so its figures are optimistic",
                **figures,
            )
        confirmed = {
            run.data.tags["split"]
            for run in candidate.runs
            if math.isfinite(run.data.metrics.get(f"test_{metric}", math.nan))
        }
        if len(confirmed) < spec.splits:
            return self.result(
                False,
                f"{len(confirmed)} of {spec.splits} splits have a confirm run with a test {metric.upper()}, and a "
                "median without the failed runs is biased upwards",
                **figures,
            )
        return self.result(True, f"{len(confirmed)} of {spec.splits} confirm runs, protocol {spec.protocol}", **figures)
