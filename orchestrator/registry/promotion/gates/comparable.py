"""Same data and test set as the champion, or the champion re-scored where neither was trained."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import Case
from orchestrator.registry.promotion.gates.gate import Gate, Verdict


class Comparable(Gate):
    """What is compared was measured on the same images."""

    name = "same test as the champion"
    comparative = True

    def judge(self, case: Case) -> Verdict:
        """Looks at where the champion's scores come from."""
        incumbent = case.incumbent
        if incumbent is None:
            return self.says(True, "there is no champion yet")
        return self.says(
            incumbent.table is not None,
            incumbent.how,
            champion=int(incumbent.version.version),
            same_data_and_test=incumbent.same,
        )
