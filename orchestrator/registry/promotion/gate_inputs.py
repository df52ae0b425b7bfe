"""All that the gates look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.score_check import ScoreCheck
from orchestrator.training.bootstrap import Metric

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class GateThresholds:
    """How differences are judged.

    Attributes:
        metric: which correlation.
        min_gain: the interval's lower end has to be above it, against the present champion.
        confidence: of the intervals, in (0, 1).
    """

    metric: Metric = "srcc"
    min_gain: float = 0.0
    confidence: float = 0.95


@dataclass(frozen=True)
class Champion:
    """Who holds the alias now, and its scores of the images that the candidate is judged on.

    Attributes:
        version: in the registry.
        table: rows as a confirm run's predictions have them; None where it cannot be compared.
        how: where its scores come from, or why there are none.
        same: whether data and test set are the candidate's.
    """

    version: ModelVersion
    table: pd.DataFrame | None
    how: str
    same: bool


@dataclass(frozen=True)
class GateInputs:
    """A candidate, whom it is to replace, and by which rules.

    Attributes:
        candidate: who asks.
        champion: who holds the alias; None where nobody does.
        reproduction: what came of loading the candidate's model and scoring the test images again.
        rules: of the comparison.
    """

    candidate: Candidate
    champion: Champion | None
    reproduction: ScoreCheck
    rules: GateThresholds
