"""Finite and not constant."""

from __future__ import annotations

import numpy as np

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.sweep_results import rows_of_test


class UsablePredictions(Gate):
    """A model that says NaN, or the same of everything, scores nothing."""

    name = "finite and not constant"

    def judge(self, case: GateInputs) -> GateResult:
        """Looks at the test predictions of every confirm run of the configuration."""
        found = []
        for run in case.candidate.runs:
            rows = rows_of_test(case.candidate.table_of(run))
            for target in case.candidate.targets:
                scores = rows[f"predicted_{target}"].to_numpy(np.float64)
                if wrong := int((~np.isfinite(scores)).sum()):
                    return self.says(
                        False,
                        f"{wrong} of {len(scores)} predicted {target} scores of {run.info.run_name} are not finite",
                        not_finite=wrong,
                    )
                spread = float(scores.std()) if len(scores) else 0.0
                if len(np.unique(scores)) < 2:
                    return self.says(
                        False,
                        f"{run.info.run_name} predicts the same {target} of all {len(scores)} test images",
                        spread=spread,
                    )
                found.append(spread)
        return self.says(
            True, f"standard deviation {min(found):.3g} or more in every confirm run", smallest_spread=min(found)
        )
