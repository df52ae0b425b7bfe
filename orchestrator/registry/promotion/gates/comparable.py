"""Same data and test set as the champion, or the champion re-scored where neither was trained."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.gate import Gate, GateResult


class Comparable(Gate):
    """What is compared was measured on the same images."""

    name = "same test as the champion"
    comparative = True

    def judge(self, case: GateInputs) -> GateResult:
        """Looks at where the champion's scores come from."""
        champion = case.champion
        if champion is None:
            return self.says(True, "there is no champion yet")
        return self.says(
            champion.table is not None,
            champion.how,
            champion=int(champion.version.version),
            same_data_and_test=champion.same,
        )
