"""Confirmed on test, not on validation."""

from __future__ import annotations

import math

from orchestrator.data.splits import is_optimistic
from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class Confirmed(Gate):
    """Every planned confirm run ended well, and was judged on images that chose nothing."""

    name = "confirmed on test"

    def judge(self, case: GateInputs) -> GateResult:
        """Looks at the protocol, the confirm runs and their logged test figures."""
        candidate = case.candidate
        spec, metric = candidate.evidence.spec, case.rules.metric
        figures = {"runs": len(candidate.runs), "planned": spec.splits, "protocol": spec.protocol}
        if is_optimistic(spec.protocol):
            return self.says(
                False,
                f"the protocol {spec.protocol} chooses epochs on the images that judge: its figures are optimistic",
                **figures,
            )
        known = {
            run.data.tags["split"]
            for run in candidate.runs
            if math.isfinite(run.data.metrics.get(f"test_{metric}", math.nan))
        }
        if len(known) < spec.splits:
            return self.says(
                False,
                f"{len(known)} of {spec.splits} splits have a confirm run with a test {metric.upper()}: a median over "
                "those that went well flatters",
                **figures,
            )
        return self.says(True, f"{len(known)} of {spec.splits} confirm runs, protocol {spec.protocol}", **figures)
