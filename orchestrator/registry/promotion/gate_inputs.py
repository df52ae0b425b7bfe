"""Inputs of the gates: the candidate, the champion, the repeated scores and the thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.opponent_differences import OpponentDifference, opponent_differences
from orchestrator.registry.promotion.rescore import ScoreCheck
from orchestrator.reporting.claims import MARGIN
from orchestrator.training.bootstrap import Metric

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class GateThresholds:
    """Thresholds of the comparisons.

    Attributes:
        metric: correlation that is compared.
        min_gain: value that the interval's lower end must exceed, against the champion.
        confidence: level of the intervals, in (0, 1).
        margin: difference to the control up to which a model counts as not inferior to it.
    """

    metric: Metric = "srcc"
    min_gain: float = 0.0
    confidence: float = 0.95
    margin: float = MARGIN


@dataclass(frozen=True)
class Champion:
    """The current champion, with scores on the candidate's test images.

    Attributes:
        version: its registered version.
        table: predictions in the format of a confirm run; None if it cannot be compared.
        source: origin of the scores, or why there are none.
        same_test: whether data and test set are the candidate's.
    """

    version: ModelVersion
    table: pd.DataFrame | None
    source: str
    same_test: bool


@dataclass(frozen=True)
class GateInputs:
    """Inputs of every gate and claim.

    Attributes:
        candidate: run to promote.
        champion: the current champion; None if the alias does not exist.
        score_check: result of loading the candidate's model and scoring its test images again.
        thresholds: thresholds of the comparisons.
    """

    candidate: Candidate
    champion: Champion | None
    score_check: ScoreCheck
    thresholds: GateThresholds

    @cached_property
    def differences(self) -> dict[str, OpponentDifference]:
        """Differences to the control and the baselines, computed once for gates and claims."""
        return opponent_differences(self.candidate, self.thresholds.metric, self.thresholds.confidence)
