"""Gate: the logged model reproduces its recorded test scores."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class Reproduces(Gate):
    """Scores of the test images by the model from MLflow, compared with those of the confirm run."""

    name = "reproduces its test scores"

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Require every new score to be within the tolerance, and the logged SRCC to be that of the table."""
        check = inputs.score_check
        if check.from_images is None:
            return self.result(False, check.reason)
        images, features = check.from_images, check.from_features
        target = images.worst
        largest, tolerance = images.largest[target], images.tolerance[target]
        stored = None if features is None else features.largest[features.worst]
        figures = {
            "images": images.images,
            "largest_difference": largest,
            "largest_difference_from_stored_features": stored,
            "tolerance": tolerance,
            "logged": check.logged,
            "again": check.again,
        }
        from_features = (
            "the stored features are not on this machine"
            if stored is None
            else "bit for bit from the stored features"
            if check.exact
            else f"from the stored features {stored:.2g} off at most"
        )
        from_images = "bit for bit" if largest == 0 else f"{largest:.2g} off at most"
        sentence = (
            f"{images.images} test images: {from_features}; from the images {from_images} "
            f"(allowed {tolerance:.2g}), SRCC {check.again:.6f}, logged {check.logged:.6f}"
        )
        return self.result(check.within, sentence, **figures)
