"""Interface of a gate: a condition that a candidate must meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from orchestrator.registry.promotion.gate_inputs import GateInputs


@dataclass(frozen=True)
class GateResult:
    """Result of a gate.

    Attributes:
        gate: name of the gate.
        passed: whether the candidate meets the condition.
        sentence: the reason, in one sentence with its figures.
        figures: the figures for JSON; a number that is not finite is None.
    """

    gate: str
    passed: bool
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {"gate": self.gate, "passed": self.passed, "sentence": self.sentence, "figures": self.figures}


class Gate(ABC):
    """A condition of promotion.

    Attributes:
        name: short name for tables and tags.
        comparative: whether it compares the candidate with another model; aliases other than `champion` require only
            the gates that do not.
    """

    name: ClassVar[str]
    comparative: ClassVar[bool] = False

    @abstractmethod
    def evaluate(self, inputs: GateInputs) -> GateResult:
        """Evaluate a candidate; raise nothing for one that is merely bad."""

    def result(self, passed: bool, sentence: str, **figures: Any) -> GateResult:
        """Return a result of this gate."""
        return GateResult(self.name, passed, sentence, figures)
