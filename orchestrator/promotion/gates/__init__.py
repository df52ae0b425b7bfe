"""The gates of promotion, in the order in which people read them."""

from orchestrator.promotion.gates.better import BetterThanChampion
from orchestrator.promotion.gates.comparable import Comparable
from orchestrator.promotion.gates.confirmed import Confirmed
from orchestrator.promotion.gates.control import BeatsControl
from orchestrator.promotion.gates.gate import Gate, Verdict
from orchestrator.promotion.gates.no_pixel import BeatsNoPixel
from orchestrator.promotion.gates.predictions import UsablePredictions
from orchestrator.promotion.gates.reproduces import Reproduces

__all__ = ["GATES", "Gate", "Verdict"]

GATES: tuple[Gate, ...] = (
    Confirmed(),
    UsablePredictions(),
    Reproduces(),
    Comparable(),
    BetterThanChampion(),
    BeatsControl(),
    BeatsNoPixel(),
)
