"""Trained model with its encoders: maps images and prompts to scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.data.progress import Progress, silent
from orchestrator.scoring.feature_distribution import FEATURES, FeatureDistribution
from orchestrator.scoring.image_input import image_name, open_image_input
from orchestrator.scoring.model_config import ModelConfig, ModelLoadError
from orchestrator.scoring.scored_batch import ScoredBatch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor, nn

    from orchestrator.scoring.image_input import ImageInput

    Arrays = Mapping[str, Mapping[str, Tensor]]
    """Kind of encoder → array name → (B, …)."""

EMPTY_PROMPT = "empty prompt"
"""Reason of a row whose prompt is blank, for a model that reads prompts."""
_PROMPT_BATCH = 32


class Scorer:
    """Trained model that scores images; it encodes them in the same way as for training.

    Args:
        config: the model's configuration.
        model: the model with its trained weights.
        device: device that encoders and model run on.
        distributions: "image" and "prompt" → distribution of the feature over the training rows; inputs of a missing
            kind are not marked.

    Raises:
        ModelLoadError: the installed encoders are not those of the training, or the configuration does not name the
            encoders of the training.

    Example:
        >>> import numpy as np
        >>> from models import build_variant
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("efficientnet_lite0@64")
        >>> shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
        >>> parameters = {"widths": [8], "distortion_widths": [0, 0, 0, 8]}
        >>> encoders, identities = {"image": encoder.name}, {"image": encoder.identity}
        >>> config = ModelConfig("image_hyper", parameters, ("quality",), (3.0,), (1.0,), encoders, identities, shapes)
        >>> scorer = Scorer(config, build_variant("image_hyper", shapes, **parameters))
        >>> scorer([np.zeros((64, 64, 3), np.uint8), "missing.png"], "a red fox")["reason"].tolist()
        [None, 'missing']
    """

    def __init__(
        self,
        config: ModelConfig,
        model: nn.Module,
        device: str = "cpu",
        distributions: Mapping[str, FeatureDistribution] | None = None,
    ) -> None:
        import torch

        from models.encoders import build_encoder

        kinds = {name.partition(".")[0] for name in config.shapes}
        if set(config.encoder_identities) != set(config.encoders) or not kinds <= set(config.encoders):
            raise ModelLoadError("The model's configuration does not name every encoder that it was trained with.")
        self.config = config
        self._model = model.eval().to(device)
        self._threads = torch.get_num_threads()
        try:
            self._encoders: dict[str, Any] = {
                kind: build_encoder(name).to(device) for kind, name in config.encoders.items()
            }
            identities = {kind: encoder.identity for kind, encoder in self._encoders.items()}
        except ValueError as error:
            raise ModelLoadError(str(error)) from error
        for kind, trained_with in config.encoder_identities.items():
            if (installed := identities[kind]) != trained_with:
                raise ModelLoadError(
                    f"The {kind} encoder is not the one it was trained with: {installed}, {trained_with}."
                )
        # A fine-tuned image encoder is part of the model, and has other features than the frozen one.
        self._distributions = {kind: one for kind, one in (distributions or {}).items() if kind in self._frozen}

    @property
    def needs_prompts(self) -> bool:
        """True if the model reads the prompt, by itself or together with the image."""
        reads: Any = self._model.reads
        return any(name.startswith(("prompt.", "image_prompt.")) for name in reads)

    @property
    def needs_criteria(self) -> bool:
        """True if the model reads a text of criteria in addition to the prompt."""
        reads: Any = self._model.reads
        return any(name.startswith("criteria.") for name in reads)

    def __call__(
        self,
        images: Sequence[ImageInput],
        prompts: Sequence[str] | str,
        criteria: Sequence[str] | str | None = None,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """Score images in MOS units.

        Args:
            images: n paths, Pillow images, arrays or bytes; see `open_image_input`.
            prompts: n prompts, or one prompt for all images.
            criteria: n texts, or one text for all images, for a model that reads criteria.
            progress: callback with the number of scored images.

        Returns:
            Table of n rows in the order of the images. Its columns are `image`, `prompt`, a score for each target,
            `<target>_percentile` within the training scores if the model contains them, and `reason`. The reason is
            None for an image with scores. The columns of `mark_columns` follow, except for those that the model has
            no data for; they are nullable booleans, missing for an image without scores.

        Raises:
            ValueError: the lengths differ, or criteria are missing.
        """
        import pandas as pd

        from orchestrator.data.extraction import batch_size
        from orchestrator.data.parallel_map import parallel_map

        count = len(images)
        prompts = [prompts] * count if isinstance(prompts, str) else list(prompts)
        criteria = [criteria] * count if isinstance(criteria, str) else criteria
        if count != len(prompts):
            raise ValueError(f"{count} images but {len(prompts)} prompts")
        if self.needs_criteria and (criteria is None or len(criteria) != count):
            raise ValueError(f"{self.config.variant} reads a text of criteria for each image")
        texts = {
            "prompt": _UniqueTexts(prompts),
            "criteria": _UniqueTexts(criteria if self.needs_criteria and criteria else []),
        }
        embeddings = {kind: self._embed(kind, unique.texts) for kind, unique in texts.items()}

        def score_rows(rows: slice) -> ScoredBatch:
            text_arrays = {
                kind: {name: array[unique.indices[rows]] for name, array in embeddings[kind].items()}
                for kind, unique in texts.items()
                if embeddings[kind]
            }
            return self._score(images[rows], prompts[rows], text_arrays)

        size = batch_size(self._encoders["image"] if "image" in self._encoders else next(iter(self._encoders.values())))
        batches = [ScoredBatch.unscored(0, len(self.config.targets))]
        done = 0
        for batch in parallel_map(score_rows, size, range(count), self._threads):
            batches.append(batch)
            progress(done := done + len(batch.reasons), count, "images scored")
        names = [image_name(image, row + 1) for row, image in enumerate(images)]
        table = pd.DataFrame({"image": names, "prompt": prompts})
        scored = ScoredBatch.concatenated(batches)
        unlike = {"image": scored.unlike} if "image" in self._distributions else {}
        if "prompt" in self._distributions:
            unlike["prompt"] = self._unlike("prompt", embeddings["prompt"])[texts["prompt"].indices]
        return scored.add_to(table, self.config, unlike)

    def predict(self, features: Mapping[str, Tensor]) -> NDArray[np.float32]:
        """Predict scores (n, T) in MOS units, the T targets in the order of the configuration.

        Args:
            features: (n, *shape) by name, at least those in the configuration's `shapes`, n ≥ 1. A model with a
                fine-tuned image encoder needs `image.pixels` in place of the `image.*` arrays.
        """
        import torch

        from orchestrator.training.evaluate import predict
        from orchestrator.training.training_data import ScoreScale

        scale = ScoreScale(torch.tensor(self.config.score_mean), torch.tensor(self.config.score_std))
        rows = torch.arange(len(next(iter(features.values()))))
        return predict(self._model, features, rows, scale)

    def _unlike(self, kind: str, arrays: Mapping[str, Tensor]) -> NDArray[np.bool_]:
        """Return whether each row of a kind's arrays is unlike the training's, (n,)."""
        import numpy as np

        array = arrays.get(FEATURES[kind].partition(".")[2])
        return np.zeros(0, bool) if array is None else self._distributions[kind].unlike(array.numpy())

    def _embed(self, kind: str, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Encode the distinct prompts or criteria, each once for all of its images; return arrays (texts, …)."""
        import torch

        if kind not in self._frozen or not texts:
            return {}
        encoder = self._encoders[kind]
        starts = range(0, len(texts), _PROMPT_BATCH)
        encoded = [encoder.encode(texts[start : start + _PROMPT_BATCH]) for start in starts]
        return {name: torch.cat([part[name] for part in encoded]).half() for name in encoded[0]}

    def _score(self, images: Sequence[ImageInput], prompts: Sequence[str], texts: Arrays) -> ScoredBatch:
        """Return the scores of a batch; they are NaN for an image that cannot be read."""
        from orchestrator.data.decode_image import UnusableImage

        batch = ScoredBatch.unscored(len(images), len(self.config.targets))
        needs_prompts = self.needs_prompts
        opened: dict[int, Image.Image] = {}
        for row, image in enumerate(images):
            if needs_prompts and not prompts[row].strip():
                batch.reasons[row] = EMPTY_PROMPT
                continue
            try:
                opened[row] = open_image_input(image)
            except UnusableImage as unusable:
                batch.reasons[row] = str(unusable)
        if opened:
            rows = list(opened)
            readable = {kind: {name: array[rows] for name, array in arrays.items()} for kind, arrays in texts.items()}
            arrays = self._encode(list(opened.values()), [prompts[row] for row in rows], readable)
            batch.scores[rows] = self.predict(self._features(list(opened.values()), arrays))
            if "image" in self._distributions:
                batch.unlike[rows] = self._unlike("image", arrays["image"])
        return batch

    def _encode(
        self, images: Sequence[Image.Image], prompts: Sequence[str], texts: Arrays
    ) -> dict[str, Mapping[str, Tensor]]:
        """Compute the arrays of a batch, rounded to float16 like those of the feature store."""
        import numpy as np
        import torch

        from models.encoders import JointEncoder

        def pixels(encoder: Any) -> Tensor:
            return torch.from_numpy(np.stack([encoder.preprocess(image) for image in images]))

        arrays: dict[str, Mapping[str, Tensor]] = dict(texts)
        for kind in ("image", "image_prompt"):  # the second may be composed of the first
            if kind not in self._frozen:
                continue
            encoder = self._encoders[kind]
            if kind == "image":
                encoded = encoder.encode(pixels(encoder))
            elif isinstance(encoder, JointEncoder):
                encoded = encoder.encode(pixels(encoder), list(prompts))
            else:
                encoded = encoder.compose(arrays["image"], arrays["prompt"])
            arrays[kind] = {name: array.half() for name, array in encoded.items()}
        return arrays

    def _features(self, images: Sequence[Image.Image], arrays: Arrays) -> dict[str, Tensor]:
        """Return a batch's arrays by feature name, and its pixels, uint8, for a fine-tuned image encoder."""
        import numpy as np
        import torch

        from models.crops import pixels_for
        from models.encoders.preprocessing import to_pixels

        features = {f"{kind}.{name}": array for kind, named in arrays.items() for name, array in named.items()}
        if self.config.backbone is not None:
            size = pixels_for(self._encoders["image"].size)
            features["image.pixels"] = torch.from_numpy(np.stack([to_pixels(image, size) for image in images]))
        return features

    @property
    def _frozen(self) -> set[str]:
        """Kinds of the frozen encoders that the model needs; a fine-tuned image encoder is part of the model."""
        if self.config.backbone is None:
            return set(self._encoders)
        read = [name for name in self.config.shapes if not name.startswith("image.")]
        if any(name.startswith("image_prompt.") for name in read):
            read += getattr(self._encoders["image_prompt"], "needs", ())
        return {name.partition(".")[0] for name in read}


class _UniqueTexts:
    """Distinct texts, and the index of each row's text among them."""

    def __init__(self, texts: Sequence[str]) -> None:
        indices: dict[str, int] = {}
        self.indices = [indices.setdefault(text, len(indices)) for text in texts]
        self.texts = list(indices)
