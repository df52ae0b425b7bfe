"""A trained model with its encoders: images and prompts in, scores out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor, nn

SCHEMA_VERSION = 1
_CARD, _WEIGHTS = "model.json", "model.safetensors"
_BATCH = 32


@dataclass(frozen=True)
class ScorerCard:
    """What has to be known beside the weights to score with them.

    Attributes:
        variant, parameters: what `build_variant` is given.
        targets: names of the scores it gives.
        score_mean, score_std: of the training scores, from standardised units back to MOS units.
        encoders: kind → name.
        encoder_identities: kind → what the encoders were when it was trained; others are refused.
        shapes: of the features that the model reads.
        backbone: settings of `Finetuning`, where the weights include a tuned image encoder; else None.
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
    schema_version: int = SCHEMA_VERSION


class ScorerError(Exception):
    """A saved model that this installation cannot score with."""


class Scorer:
    """Scores images by a trained model; encodes them the same way as they were for training."""

    def __init__(self, card: ScorerCard, model: nn.Module) -> None:
        from models.encoders import build_encoder

        self.card = card
        self._model = model.eval()
        try:
            self._encoders = {kind: build_encoder(name) for kind, name in card.encoders.items()}
            identities = {kind: encoder.identity for kind, encoder in self._encoders.items()}
        except ValueError as error:
            raise ScorerError(str(error)) from error
        for kind, trained_with in card.encoder_identities.items():
            here = identities[kind]
            if here != trained_with:
                raise ScorerError(f"The {kind} encoder is not the one it was trained with: {here}, {trained_with}.")

    @property
    def needs_criteria(self) -> bool:
        """Whether it reads a text of criteria beside the prompt."""
        reads: Any = self._model.reads
        return any(name.startswith("criteria.") for name in reads)

    def __call__(
        self, images: Sequence[str | Path], prompts: Sequence[str], criteria: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Scores in MOS units.

        Args:
            images: n paths.
            prompts: n prompts, one an image.
            criteria: n texts, for a model that reads them.

        Returns:
            A table of n rows: image, prompt, and a column a target.

        Raises:
            ValueError: the lengths differ, or criteria are missing.
        """
        import pandas as pd
        import torch

        if len(images) != len(prompts):
            raise ValueError(f"{len(images)} images but {len(prompts)} prompts")
        if self.needs_criteria and (criteria is None or len(criteria) != len(images)):
            raise ValueError(f"{self.card.variant} reads a text of criteria for each image")
        parts = []
        for start in range(0, len(images), _BATCH):
            batch = slice(start, start + _BATCH)
            features = self._features(images[batch], prompts[batch], criteria[batch] if criteria else ())
            parts.append(torch.from_numpy(self.predict(features)))
        scores = torch.cat(parts) if parts else torch.zeros(0, len(self.card.targets))
        table = pd.DataFrame({"image": [str(image) for image in images], "prompt": list(prompts)})
        for column, target in enumerate(self.card.targets):
            table[target] = scores[:, column].numpy()
        return table

    def predict(self, features: Mapping[str, Tensor]) -> NDArray[np.float32]:
        """Scores (n, T) in MOS units, the T targets in the card's order.

        Args:
            features: (n, *shape) by name, at least those in the card's `shapes`, n ≥ 1; where the image encoder was
                tuned, `image.pixels` in the place of the `image.*` arrays.
        """
        import torch

        from orchestrator.training.data import ScoreScale
        from orchestrator.training.evaluate import predict

        scale = ScoreScale(torch.tensor(self.card.score_mean), torch.tensor(self.card.score_std))
        rows = torch.arange(len(next(iter(features.values()))))
        return predict(self._model, features, rows, scale)

    def _features(
        self, images: Sequence[str | Path], prompts: Sequence[str], criteria: Sequence[str]
    ) -> dict[str, Any]:
        """Features of a batch, rounded to float16 as the feature store rounds them; pixels as they are."""
        import numpy as np
        import torch

        from models.crops import pixels_for
        from models.encoders import JointEncoder
        from models.encoders.pixels import to_pixels
        from orchestrator.data import open_image

        opened = [open_image(path) for path in images]

        def pixels(encoder: Any) -> Any:
            return torch.from_numpy(np.stack([encoder.preprocess(image) for image in opened]))

        arrays: dict[str, dict[str, Any]] = {}
        for kind in ("image", "prompt", "criteria", "image_prompt"):  # the last may be composed of the others
            if kind not in self._frozen or (kind == "criteria" and not self.needs_criteria):
                continue
            encoder: Any = self._encoders[kind]
            if kind == "image":
                made = encoder.encode(pixels(encoder))
            elif kind in {"prompt", "criteria"}:
                made = encoder.encode(list(prompts if kind == "prompt" else criteria))
            elif isinstance(encoder, JointEncoder):
                made = encoder.encode(pixels(encoder), list(prompts))
            else:
                made = encoder.compose(arrays["image"], arrays["prompt"])
            arrays[kind] = {name: array.half() for name, array in made.items()}
        found = {f"{kind}.{name}": array for kind, named in arrays.items() for name, array in named.items()}
        if self.card.backbone is not None:
            image_encoder: Any = self._encoders["image"]
            size = pixels_for(image_encoder.size)
            found["image.pixels"] = torch.from_numpy(np.stack([to_pixels(image, size) for image in opened]))
        return found

    @property
    def _frozen(self) -> set[str]:
        """Kinds of the encoders that have to run as they are."""
        if self.card.backbone is None:
            return set(self._encoders)
        read = [name for name in self.card.shapes if not name.startswith("image.")]
        if any(name.startswith("image_prompt.") for name in read):
            read += getattr(self._encoders["image_prompt"], "needs", ())
        return {name.partition(".")[0] for name in read}


def save_scorer(folder: Path, card: ScorerCard, model: nn.Module) -> None:
    """Writes weights as safetensors and the card as JSON; nothing in the folder is code."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / _WEIGHTS)
    (folder / _CARD).write_text(json.dumps(asdict(card), indent=1) + "\n")


def load_scorer(folder: Path) -> Scorer:
    """Reads a saved model back.

    Raises:
        ScorerError: the folder holds none, or one of another schema version or other encoders.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models import build_variant
    from models.encoders import build_encoder
    from models.finetuned import Finetuning, finetuned

    try:
        card = _read_card(json.loads((folder / _CARD).read_text()))
        state = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ScorerError(f"{folder} holds no model that can be read: {error}") from error
    scoring = build_variant(card.variant, card.shapes, len(card.targets), **card.parameters)
    model: nn.Module = scoring
    if card.backbone is not None:
        model = finetuned(build_encoder(card.encoders["image"]), scoring, Finetuning(**card.backbone))
    model.load_state_dict(state)
    return Scorer(card, model)


def _read_card(content: Mapping[str, Any]) -> ScorerCard:
    if content["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"it has schema version {content['schema_version']}, this reads {SCHEMA_VERSION}")
    shapes = {name: tuple(shape) for name, shape in content["shapes"].items()}
    tuples = {key: tuple(content[key]) for key in ("targets", "score_mean", "score_std")}
    return ScorerCard(**{**content, **tuples, "shapes": shapes})
