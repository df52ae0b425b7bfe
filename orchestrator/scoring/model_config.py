"""Configuration of a saved model, stored next to its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1


class ModelLoadError(Exception):
    """Error for a saved model that this installation cannot score with; the message is one sentence.

    Example:
        >>> issubclass(ModelLoadError, Exception)
        True
    """


@dataclass(frozen=True)
class ModelConfig:
    """Configuration that scoring needs in addition to the weights.

    Attributes:
        variant, parameters: arguments of `build_variant`.
        targets: names of the scores that the model predicts.
        score_mean, score_std: mean and deviation of the training scores, from standardised units back to MOS units.
        encoders: kind → name.
        encoder_identities: kind → identity of the encoder in training; an encoder with another identity is rejected.
        shapes: shapes of the features that the model reads.
        backbone: settings of `Finetuning` if the weights include a fine-tuned image encoder, else None.
        mos_quantiles: target → the 0th to 100th percentile of the training scores, 101 numbers; empty if the model was
            saved by a version without quantiles.
        plugins: module of a plug-in that the variant or an encoder is from → its distribution and version, "" for a
            loose module. The key is absent from the file if all are built in.

    Example:
        >>> ModelConfig("text_hyper", {"rank": 2}, ("alignment",), (3.0,), (1.0,), {}, {}, {}).targets
        ('alignment',)
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
    plugins: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelConfig:
        """Parse the content of a file.

        Raises:
            ValueError, KeyError, TypeError: the content is not a configuration, or has another schema version.
        """
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"it has schema version {content['schema_version']}, this version reads {SCHEMA_VERSION}")
        for key in ("parameters", "encoders", "encoder_identities", "shapes", "mos_quantiles", "plugins"):
            if not isinstance(content.get(key, {}), dict):
                raise ValueError(f"its {key} are not an object")
        for key in ("encoders", "plugins"):
            if not all(isinstance(name, str) for name in content.get(key, {}).values()):
                raise ValueError(f"its {key} are not names")
        shapes = {name: tuple(shape) for name, shape in content["shapes"].items()}
        quantiles = {target: tuple(values) for target, values in content.get("mos_quantiles", {}).items()}
        tuples = {key: tuple(content[key]) for key in ("targets", "score_mean", "score_std")}
        return cls(**{**content, **tuples, "shapes": shapes, "mos_quantiles": quantiles})
