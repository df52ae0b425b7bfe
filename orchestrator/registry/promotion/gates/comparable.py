"""Gate: candidate and champion are compared on the same test images."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class Comparable(Gate):
    """A test set shared with the champion, or the champion scored again on images that neither was trained on."""

    name = "same test as the champion"
    comparative = True

    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Require scores of the champion on the candidate's test images."""
        champion = inputs.champion
        if champion is None:
            return self.result(True, "there is no champion yet")
        return self.result(
            champion.table is not None,
            champion.source,
            champion=int(champion.version.version),
            same_data_and_test=champion.same_test,
        )
