"""Loads, and says again what it said."""

from __future__ import annotations

from orchestrator.promotion.case import Case
from orchestrator.promotion.gates.gate import Gate, Verdict


class Reproduces(Gate):
    """What would be used is what was measured."""

    name = "reproduces its test scores"

    def judge(self, case: Case) -> Verdict:
        """Looks at what came of scoring the test images again with the model out of MLflow."""
        found = case.reproduction
        if found.reason:
            return self.says(False, found.reason)
        figures = {
            "images": found.images,
            "largest_difference": found.largest,
            "tolerance": found.tolerance,
            "logged": found.logged,
            "again": found.again,
        }
        if found.exact:
            return self.says(True, f"bit for bit, {found.images} test images", **figures)
        passed = found.within
        told = (
            f"{found.images} test images, largest difference {found.largest:.2g} (tolerance {found.tolerance:.2g}), "
            f"test SRCC {found.again:.6f}, logged {found.logged:.6f}"
        )
        return self.says(passed, told, **figures)
