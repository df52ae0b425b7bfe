"""Image backbone and scoring model in one module, trained together on the scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.crops import place_crops, random_crops
from models.encoders.backbone import ImageBackbone
from models.encoders.base import Encoder
from models.encoders.network_encoder import NetworkEncoder
from models.scoring_model import ScoringModel

PIXELS = "image.pixels"
"""Name of the stored feature that holds the decoded images, (3, S, S) uint8."""

_IMAGE = "image."
# Rows of a forward pass without gradients: enough for high utilisation, few enough that their maps stay small.
_CHUNK_ROWS = 32


@dataclass(frozen=True)
class Finetuning:
    """Settings for training and evaluating a backbone.

    Attributes:
        frozen_parts: number of the backbone's parts, counted from the input, that keep their pretrained weights.
        test_crops: number of crops of an image whose scores are averaged in evaluation; 1 is the centre crop.
        flips: whether a training crop is mirrored half of the time.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> Finetuning(frozen_parts=2).test_crops
        1
    """

    frozen_parts: int = 0
    test_crops: int = 1
    flips: bool = True

    def __post_init__(self) -> None:
        if self.frozen_parts < 0:
            raise ValueError(f"frozen_parts is 0 or more, not {self.frozen_parts}")
        if self.test_crops < 1:
            raise ValueError(f"test_crops is at least 1, not {self.test_crops}")

    def check(self, parts: int, encoder: str) -> None:
        """Raise ValueError if the encoder has fewer than `frozen_parts` parts."""
        if self.frozen_parts > parts:
            raise ValueError(f"frozen_parts is {self.frozen_parts}, but {encoder} has {parts} parts")


class FinetunedModel(nn.Module):
    """Model that scores pixels: a backbone computes the `image.*` arrays that a scoring model reads.

    Features of prompts, and of image and prompt together, come from frozen encoders. In training the model sees one
    random crop of every image, drawn from torch's CPU generator. In eval mode it averages the scores of `test_crops`
    fixed crops (hyperIQA, github SSL92/hyperIQA: 25 random crops of 224 pixels at test).

    The backbone stays in eval mode during training: its BatchNorms keep the statistics of ImageNet and learn
    their gains and offsets. A batch is a few dozen images, often of one prompt, whose statistics would be noise.
    The standardizers after the backbone were calibrated once, for the same reason.
    On a GPU the backbone runs in bfloat16; its arrays are float32.

    Parameters are named `backbone.…` and `scoring.…`, the latter with the scoring model's own names.

    Args:
        backbone: the network; this class freezes its classifier and its first parts.
        scoring: the model that reads the backbone's arrays.
        crop: height and width of the backbone's input in pixels.
        settings: settings for training and evaluation.

    Attributes:
        reads: `image.pixels` and the stored features that the scoring model reads.

    Raises:
        ValueError: the scoring model reads no image features, or reads arrays that the backbone does not compute.

    Example:
        >>> from models import build_variant
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("efficientnet_lite0@64")
        >>> shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
        >>> scoring = build_variant("image_hyper", shapes, n_targets=2, widths=(8,), distortion_widths=(0, 0, 0, 8))
        >>> model = FinetunedModel(encoder.load_backbone(), scoring, encoder.size, Finetuning(frozen_parts=4)).eval()
        >>> model.reads
        ('image.pixels',)
        >>> with torch.no_grad():
        ...     model({"image.pixels": torch.zeros(2, 3, 73, 73, dtype=torch.uint8)}).shape
        torch.Size([2, 2])
    """

    def __init__(self, backbone: ImageBackbone, scoring: ScoringModel, crop: int, settings: Finetuning) -> None:
        super().__init__()
        arrays = [name.removeprefix(_IMAGE) for name in scoring.reads if name.startswith(_IMAGE)]
        if not arrays:
            raise ValueError("the model reads no image features, so there is no backbone to fine-tune")
        if missing := [name for name in arrays if name not in backbone.shapes]:
            raise ValueError(f"the backbone does not give {', '.join(missing)}; it gives {', '.join(backbone.shapes)}")
        self.backbone = backbone.to(memory_format=torch.channels_last)
        self.scoring = scoring
        self.crop = crop
        self.settings = settings
        self._arrays = tuple(arrays)
        self.reads = (PIXELS, *(name for name in scoring.reads if not name.startswith(_IMAGE)))
        self.n_targets = scoring.n_targets
        _freeze(backbone, settings.frozen_parts)
        self.train(self.training)

    def train(self, mode: bool = True) -> "FinetunedModel":
        """Set the training mode like `nn.Module.train`, except for the backbone, which stays in eval mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure the statistics that standardise the scoring model's inputs, on centre crops of training rows."""
        centre = place_crops(features[PIXELS].shape[-1], self.crop, 1)[0]
        chunks = [self._encode(centre(pixels)) for pixels in torch.split(features[PIXELS], _CHUNK_ROWS)]
        encoded = {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}
        self.scoring.calibrate({**features, **encoded})

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Score a batch.

        Args:
            features: (B, *shape) by name, at least those in `reads`; pixels (B, 3, S, S) uint8, S ≥ the crop.

        Returns:
            (B, n_targets), in units of the standardised scores.
        """
        if self.training:
            pixels = random_crops(features[PIXELS], self.crop, self.settings.flips)
            return self._score(pixels, features)
        return torch.cat([self._score_test_crops(chunk) for chunk in self._chunks(features)])

    def _score_test_crops(self, features: Mapping[str, Tensor]) -> Tensor:
        crops = place_crops(features[PIXELS].shape[-1], self.crop, self.settings.test_crops)
        return torch.stack([self._score(crop(features[PIXELS]), features) for crop in crops]).mean(0)

    def _score(self, pixels: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        scores: Tensor = self.scoring({**features, **self._encode(pixels)})
        return scores

    def _encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return the `image.*` arrays, float32, of crops (B, 3, crop, crop)."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16, enabled=pixels.is_cuda):
            arrays = self.backbone(pixels, self._arrays)
        return {f"{_IMAGE}{name}": array.float() for name, array in arrays.items()}

    def _chunks(self, features: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(features[PIXELS]), _CHUNK_ROWS):
            yield {name: values[start : start + _CHUNK_ROWS] for name, values in features.items()}


def finetuned(encoder: Encoder, scoring: ScoringModel, settings: Finetuning) -> FinetunedModel:
    """Return a scoring model on a new, pretrained copy of the encoder's network.

    Raises:
        ValueError: the encoder has no trainable network or fewer than `frozen_parts` parts, or `FinetunedModel`
            raises it.

    Example:
        >>> from models import build_variant
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("efficientnet_lite0@64")
        >>> shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
        >>> scoring = build_variant("image_hyper", shapes, widths=(8,), distortion_widths=(0, 0, 0, 8))
        >>> finetuned(encoder, scoring, Finetuning()).crop
        64
    """
    network = trainable(encoder)
    backbone = network.load_backbone()
    settings.check(len(backbone.parts()), network.name)
    return FinetunedModel(backbone, scoring, network.size, settings)


def trainable(encoder: Encoder) -> NetworkEncoder:
    """Return the encoder if its network can be trained.

    Raises:
        ValueError: it has no network, or only one that must stay frozen.

    Example:
        >>> from models.encoders import build_encoder
        >>> trainable(build_encoder("efficientnet_lite0")).name
        'efficientnet_lite0'
    """
    if not isinstance(encoder, NetworkEncoder):
        raise ValueError(f"{encoder.name} has no network that could be fine-tuned")
    return encoder


def _freeze(backbone: ImageBackbone, parts: int) -> None:
    """Freeze the first parts and the classifier, so that autograd builds no graph for them."""
    backbone.requires_grad_(False)
    for part in backbone.parts()[parts:]:
        for module in part:
            module.requires_grad_(True)
