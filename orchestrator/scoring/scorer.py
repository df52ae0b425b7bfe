"""A trained model with its encoders: images and prompts in, scores out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.data.progress import Progress, silent
from orchestrator.scoring.image_input import name_of, open_image_input
from orchestrator.scoring.model_config import ModelConfig, ModelLoadError
from orchestrator.scoring.percentiles import percentiles

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor, nn

    from orchestrator.scoring.image_input import Picture

    Arrays = Mapping[str, Mapping[str, Tensor]]
    """Kind of encoder → array name → (B, …)."""

REASON = "reason"
_PROMPTS = 32


class Scorer:
    """Scores images by a trained model; encodes them the same way as they were for training.

    Args:
        card: what the model is.
        model: with its trained weights.
        device: where encoders and model run.

    Raises:
        ModelLoadError: the encoders here are not those that it was trained with, or the card does not say which it was.
    """

    def __init__(self, card: ModelConfig, model: nn.Module, device: str = "cpu") -> None:
        import torch

        from models.encoders import build_encoder

        read = {name.partition(".")[0] for name in card.shapes}
        if set(card.encoder_identities) != set(card.encoders) or not read <= set(card.encoders):
            raise ModelLoadError("The model's card does not say of each encoder which one it was trained with.")
        self.card = card
        self._model = model.eval().to(device)
        self._threads = torch.get_num_threads()
        try:
            self._encoders: dict[str, Any] = {
                kind: build_encoder(name).to(device) for kind, name in card.encoders.items()
            }
            identities = {kind: encoder.identity for kind, encoder in self._encoders.items()}
        except ValueError as error:
            raise ModelLoadError(str(error)) from error
        for kind, trained_with in card.encoder_identities.items():
            if (here := identities[kind]) != trained_with:
                raise ModelLoadError(f"The {kind} encoder is not the one it was trained with: {here}, {trained_with}.")

    @property
    def needs_criteria(self) -> bool:
        """Whether it reads a text of criteria beside the prompt."""
        reads: Any = self._model.reads
        return any(name.startswith("criteria.") for name in reads)

    def __call__(
        self,
        images: Sequence[Picture],
        prompts: Sequence[str] | str,
        criteria: Sequence[str] | str | None = None,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """Scores in MOS units.

        Args:
            images: n paths, Pillow images, arrays or bytes; see `open_picture`.
            prompts: n prompts, one an image, or one for all.
            criteria: n texts or one, for a model that reads them.
            progress: told how many images are done.

        Returns:
            A table of n rows in the order given: `image`, `prompt`, a column a target, `<target>_percentile` within
            the training scores where the model knows them, and `reason`: why an image has no scores, None where it has.

        Raises:
            ValueError: the lengths differ, or criteria are missing.
        """
        import numpy as np
        import pandas as pd

        from orchestrator.data.extraction import batch_size
        from orchestrator.data.parallel_map import parallel_map

        count = len(images)
        prompts = [prompts] * count if isinstance(prompts, str) else list(prompts)
        criteria = [criteria] * count if isinstance(criteria, str) else criteria
        if count != len(prompts):
            raise ValueError(f"{count} images but {len(prompts)} prompts")
        if self.needs_criteria and (criteria is None or len(criteria) != count):
            raise ValueError(f"{self.card.variant} reads a text of criteria for each image")
        texts = {"prompt": _Texts(prompts), "criteria": _Texts(criteria if self.needs_criteria and criteria else [])}
        embedded = {kind: self._embedded(kind, of.distinct) for kind, of in texts.items()}

        def work(rows: slice) -> tuple[NDArray[np.float32], list[str | None]]:
            known = {
                kind: {name: array[of.rows[rows]] for name, array in embedded[kind].items()}
                for kind, of in texts.items()
                if embedded[kind]
            }
            return self._score(images[rows], prompts[rows], known)

        size = batch_size(self._encoders["image"] if "image" in self._encoders else next(iter(self._encoders.values())))
        parts, reasons = [np.zeros((0, len(self.card.targets)), np.float32)], []
        for scores, why in parallel_map(work, size, range(count), self._threads):
            parts.append(scores)
            reasons += why
            progress(len(reasons), count, "images scored")
        named = [name_of(image, row + 1) for row, image in enumerate(images)]
        table = pd.DataFrame({"image": named, "prompt": prompts})
        return self._filled(table, np.concatenate(parts), reasons)

    def predict(self, features: Mapping[str, Tensor]) -> NDArray[np.float32]:
        """Scores (n, T) in MOS units, the T targets in the card's order.

        Args:
            features: (n, *shape) by name, at least those in the card's `shapes`, n ≥ 1; where the image encoder was
                tuned, `image.pixels` in the place of the `image.*` arrays.
        """
        import torch

        from orchestrator.training.evaluate import predict
        from orchestrator.training.training_data import ScoreScale

        scale = ScoreScale(torch.tensor(self.card.score_mean), torch.tensor(self.card.score_std))
        rows = torch.arange(len(next(iter(features.values()))))
        return predict(self._model, features, rows, scale)

    def _filled(self, table: pd.DataFrame, scores: NDArray[np.float32], reasons: list[str | None]) -> pd.DataFrame:
        import pandas as pd

        for column, target in enumerate(self.card.targets):
            table[target] = scores[:, column]
        for column, target in enumerate(self.card.targets):
            if known := self.card.mos_quantiles.get(target):
                table[f"{target}_percentile"] = percentiles(scores[:, column], known)
        table[REASON] = pd.Series(reasons, dtype=object)
        return table

    def _embedded(self, kind: str, distinct: Sequence[str]) -> Mapping[str, Tensor]:
        """Arrays (distinct texts, …) of prompts or criteria, each encoded once however many images it has."""
        import torch

        if kind not in self._frozen or not distinct:
            return {}
        encoder = self._encoders[kind]
        made = [encoder.encode(distinct[first : first + _PROMPTS]) for first in range(0, len(distinct), _PROMPTS)]
        return {name: torch.cat([part[name] for part in made]).half() for name in made[0]}

    def _score(
        self, images: Sequence[Picture], prompts: Sequence[str], texts: Arrays
    ) -> tuple[NDArray[np.float32], list[str | None]]:
        """Scores (B, T) of a batch, NaN where an image cannot be read, and why."""
        import numpy as np

        from orchestrator.data.images import UnusableImage

        scores = np.full((len(images), len(self.card.targets)), np.nan, np.float32)
        reasons: list[str | None] = [None] * len(images)
        opened: dict[int, Image.Image] = {}
        for row, image in enumerate(images):
            try:
                opened[row] = open_image_input(image)
            except UnusableImage as unusable:
                reasons[row] = str(unusable)
        if opened:
            rows = list(opened)
            readable = {kind: {name: array[rows] for name, array in of.items()} for kind, of in texts.items()}
            features = self._features(list(opened.values()), [prompts[row] for row in rows], readable)
            scores[rows] = self.predict(features)
        return scores, reasons

    def _features(self, images: Sequence[Image.Image], prompts: Sequence[str], texts: Arrays) -> dict[str, Tensor]:
        """Features of a batch, rounded to float16 as the feature store rounds them; pixels as they are."""
        import numpy as np
        import torch

        from models.crops import pixels_for
        from models.encoders import JointEncoder
        from models.encoders.preprocessing import to_pixels

        def pixels(encoder: Any) -> Tensor:
            return torch.from_numpy(np.stack([encoder.preprocess(image) for image in images]))

        arrays: dict[str, Mapping[str, Tensor]] = dict(texts)
        for kind in ("image", "image_prompt"):  # the second may be composed of the first
            if kind not in self._frozen:
                continue
            encoder = self._encoders[kind]
            if kind == "image":
                made = encoder.encode(pixels(encoder))
            elif isinstance(encoder, JointEncoder):
                made = encoder.encode(pixels(encoder), list(prompts))
            else:
                made = encoder.compose(arrays["image"], arrays["prompt"])
            arrays[kind] = {name: array.half() for name, array in made.items()}
        found = {f"{kind}.{name}": array for kind, named in arrays.items() for name, array in named.items()}
        if self.card.backbone is not None:
            size = pixels_for(self._encoders["image"].size)
            found["image.pixels"] = torch.from_numpy(np.stack([to_pixels(image, size) for image in images]))
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


class _Texts:
    """Texts without their repetitions: row → which of the distinct ones it has."""

    def __init__(self, texts: Sequence[str]) -> None:
        places: dict[str, int] = {}
        self.rows = [places.setdefault(text, len(places)) for text in texts]
        self.distinct = list(places)
