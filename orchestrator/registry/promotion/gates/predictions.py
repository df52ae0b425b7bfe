"""Gate: predictions are finite and not constant."""

from __future__ import annotations

import numpy as np

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.sweep_results import rows_of_test


class UsablePredictions(Gate):
    """Test predictions without NaN or infinity, and with at least two values."""

    name = "finite and not constant"

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Check the test predictions of every confirm run of the configuration."""
        spreads = []
        for run in inputs.candidate.runs:
            rows = rows_of_test(inputs.candidate.table_of(run))
            for target in inputs.candidate.targets:
                scores = rows[f"predicted_{target}"].to_numpy(np.float64)
                if not_finite := int((~np.isfinite(scores)).sum()):
                    return self.result(
                        False,
                        f"{not_finite} of {len(scores)} predicted {target} scores of {run.info.run_name} are not "
                        "finite",
                        not_finite=not_finite,
                    )
                spread = float(scores.std()) if len(scores) else 0.0
                if len(np.unique(scores)) < 2:
                    return self.result(
                        False,
                        f"{run.info.run_name} predicts the same {target} of all {len(scores)} test images",
                        spread=spread,
                    )
                spreads.append(spread)
        smallest = min(spreads)
        sentence = f"standard deviation {smallest:.3g} or more in every confirm run"
        return self.result(True, sentence, smallest_spread=smallest)
