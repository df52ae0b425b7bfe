"""Gates of promotion, in the order in which they are shown."""

from orchestrator.registry.promotion.gates.better import BetterThanChampion
from orchestrator.registry.promotion.gates.comparable import Comparable
from orchestrator.registry.promotion.gates.confirmed_on_test import Confirmed
from orchestrator.registry.promotion.gates.control import NotWorseThanControl
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.gates.no_pixel import AboveNoPixel
from orchestrator.registry.promotion.gates.predictions import UsablePredictions
from orchestrator.registry.promotion.gates.reproduces import Reproduces

__all__ = ["GATES", "Gate", "GateResult"]

GATES: tuple[Gate, ...] = (
    Confirmed(),
    UsablePredictions(),
    Reproduces(),
    Comparable(),
    BetterThanChampion(),
    NotWorseThanControl(),
    AboveNoPixel(),
)
