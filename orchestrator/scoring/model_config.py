"""What has to be known beside a model's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1


class ModelLoadError(Exception):
    """A saved model that this installation cannot score with, said in one sentence."""


@dataclass(frozen=True)
class ModelConfig:
    """What has to be known beside the weights to score with them.

    Attributes:
        variant, parameters: what `build_variant` is given.
        targets: names of the scores it gives.
        score_mean, score_std: of the training scores, from standardised units back to MOS units.
        encoders: kind → name.
        encoder_identities: kind → what the encoders were when it was trained; others are refused.
        shapes: of the features that the model reads.
        backbone: settings of `Finetuning`, where the weights include a tuned image encoder; else None.
        mos_quantiles: target → the 0th to 100th percentile of the training scores, 101 numbers; empty in a card that
            was written before there were any.
    """

    variant: str
    parameters: dict[str, Any]
    targets: tuple[str, ...]
    score_mean: tuple[float, ...]
    score_std: tuple[float, ...]
    encoders: dict[str, str]
    encoder_identities: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    backbone: dict[str, Any] | None = None
    mos_quantiles: dict[str, tuple[float, ...]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelConfig:
        """The card that a file holds.

        Raises:
            ValueError, KeyError, TypeError: it is none, or one of another version.
        """
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"it has schema version {content['schema_version']}, this reads {SCHEMA_VERSION}")
        for key in ("parameters", "encoders", "encoder_identities", "shapes", "mos_quantiles"):
            if not isinstance(content.get(key, {}), dict):
                raise ValueError(f"its {key} are no object")
        if not all(isinstance(name, str) for name in content["encoders"].values()):
            raise ValueError("its encoders are no names")
        shapes = {name: tuple(shape) for name, shape in content["shapes"].items()}
        quantiles = {target: tuple(found) for target, found in content.get("mos_quantiles", {}).items()}
        tuples = {key: tuple(content[key]) for key in ("targets", "score_mean", "score_std")}
        return cls(**{**content, **tuples, "shapes": shapes, "mos_quantiles": quantiles})
