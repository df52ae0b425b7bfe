"""The seam: a gate looks at a case and says whether the candidate may pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from orchestrator.registry.promotion.gate_inputs import GateInputs


@dataclass(frozen=True)
class GateResult:
    """What a gate found.

    Attributes:
        gate: its name.
        passed: whether the candidate may pass.
        sentence: why, in one sentence with its figures.
        figures: the same for machines; a number that is not finite is None.
    """

    gate: str
    passed: bool
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"gate": self.gate, "passed": self.passed, "sentence": self.sentence, "figures": self.figures}


class Gate(ABC):
    """A condition of promotion.

    Attributes:
        name: in a few words.
        comparative: whether it compares with something else that scores; an alias that is not `champion` asks for
            the other gates alone.
    """

    name: ClassVar[str]
    comparative: ClassVar[bool] = False

    @abstractmethod
    def judge(self, case: GateInputs) -> GateResult:
        """Looks at the case; raises nothing for a candidate that is merely bad."""

    def says(self, passed: bool, sentence: str, **figures: Any) -> GateResult:
        """A verdict in this gate's name."""
        return GateResult(self.name, passed, sentence, figures)
