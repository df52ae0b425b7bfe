"""Loads, and says again what it said."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class Reproduces(Gate):
    """What would be used is what was measured."""

    name = "reproduces its test scores"

    def judge(self, case: GateInputs) -> GateResult:
        """Looks at what came of scoring the test images again with the model out of MLflow."""
        found = case.reproduction
        if found.reason:
            return self.says(False, found.reason)
        figures = {
            "images": found.images,
            "largest_difference": found.largest,
            "largest_difference_from_stored_features": found.stored,
            "tolerance": found.tolerance,
            "logged": found.logged,
            "again": found.again,
        }
        from_features = (
            "the stored features are not here"
            if found.stored is None
            else "bit for bit from the stored features"
            if found.exact
            else f"from the stored features {found.stored:.2g} off at most"
        )
        from_images = "bit for bit" if found.largest == 0 else f"{found.largest:.2g} off at most"
        told = (
            f"{found.images} test images: {from_features}; from the images {from_images} "
            f"(allowed {found.tolerance:.2g}), SRCC {found.again:.6f}, logged {found.logged:.6f}"
        )
        return self.says(found.within, told, **figures)
