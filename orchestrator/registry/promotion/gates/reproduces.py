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
        images, features = found.from_images, found.from_features
        assert images is not None
        worst = images.worst
        largest, tolerance = images.largest[worst], images.tolerance[worst]
        stored = None if features is None else features.largest[features.worst]
        figures = {
            "images": images.images,
            "largest_difference": largest,
            "largest_difference_from_stored_features": stored,
            "tolerance": tolerance,
            "logged": found.logged,
            "again": found.again,
        }
        from_features = (
            "the stored features are not on this machine"
            if stored is None
            else "bit for bit from the stored features"
            if found.exact
            else f"from the stored features {stored:.2g} off at most"
        )
        from_images = "bit for bit" if largest == 0 else f"{largest:.2g} off at most"
        sentence = (
            f"{images.images} test images: {from_features}; from the images {from_images} "
            f"(allowed {tolerance:.2g}), SRCC {found.again:.6f}, logged {found.logged:.6f}"
        )
        return self.says(found.within, sentence, **figures)
