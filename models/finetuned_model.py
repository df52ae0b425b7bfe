"""An image encoder's network and a scoring model in one, so that both learn from the scores."""

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
"""The stored feature that holds the decoded images, (3, S, S) uint8."""

_IMAGE = "image."
# Without gradients: enough rows to keep a processor busy, few enough that their maps stay small.
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Finetuning:
    """How a backbone is trained and asked.

    Attributes:
        frozen_parts: how many of the backbone's parts, counted from the input, keep their pretrained weights.
        test_crops: crops an image whose scores are averaged when the model is evaluated; 1 is the centre.
        flips: whether a training crop is mirrored half of the time.

    Raises:
        ValueError: a number is out of its range.
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
        """Raises ValueError where the encoder has fewer parts than are to stay frozen."""
        if self.frozen_parts > parts:
            raise ValueError(f"frozen_parts is {self.frozen_parts}, but {encoder} has {parts} parts")


class FinetunedModel(nn.Module):
    """Scores images from their pixels: the backbone makes the `image.*` arrays that the scoring model reads.

    Features of prompts, and of image and prompt together, stay those of frozen encoders. In training every image
    is seen through one random crop, drawn from torch's CPU generator; in eval mode through `test_crops` fixed ones,
    whose scores are averaged (hyperIQA, github SSL92/hyperIQA: 25 random crops of 224 pixels at test).

    The backbone stays in eval mode while it is trained: its BatchNorms keep the statistics of ImageNet and learn
    their gains and offsets. A batch here is a few dozen images, often of one prompt, whose statistics would be noise,
    and the standardisers behind it were calibrated once. On a GPU it runs in bfloat16; its arrays are float32.

    Parameters are named `backbone.…` and, as the scoring model names them, `scoring.…`.

    Args:
        backbone: the network; its classifier and its first parts are frozen here.
        scoring: the model behind it.
        crop: height and width of the backbone's input in pixels.
        settings: how it is trained.

    Attributes:
        reads: `image.pixels` and the stored features that the scoring model reads.

    Raises:
        ValueError: the backbone has fewer parts, or the scoring model reads no image features, or ones that the
            backbone does not give.
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
        """As `nn.Module.train`, but for the backbone, which stays in eval mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure what standardises the scoring model's inputs, on centre crops of training rows."""
        centre = place_crops(features[PIXELS].shape[-1], self.crop, 1)[0]
        parts = [self._encode(centre(pixels)) for pixels in torch.split(features[PIXELS], _ROWS_AT_ONCE)]
        encoded = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
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
        return torch.cat([self._average(part) for part in self._in_parts(features)])

    def _average(self, features: Mapping[str, Tensor]) -> Tensor:
        crops = place_crops(features[PIXELS].shape[-1], self.crop, self.settings.test_crops)
        return torch.stack([self._score(crop(features[PIXELS]), features) for crop in crops]).mean(0)

    def _score(self, pixels: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        scored: Tensor = self.scoring({**features, **self._encode(pixels)})
        return scored

    def _encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """The `image.*` arrays, float32, of crops (B, 3, crop, crop)."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16, enabled=pixels.is_cuda):
            arrays = self.backbone(pixels, self._arrays)
        return {f"{_IMAGE}{name}": array.float() for name, array in arrays.items()}

    def _in_parts(self, features: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(features[PIXELS]), _ROWS_AT_ONCE):
            yield {name: values[start : start + _ROWS_AT_ONCE] for name, values in features.items()}


def finetuned(encoder: Encoder, scoring: ScoringModel, settings: Finetuning) -> FinetunedModel:
    """A scoring model on a fresh, pretrained copy of the encoder's network.

    Raises:
        ValueError: the encoder is no network that could be trained, or as `FinetunedModel`.
    """
    network = trainable(encoder)
    backbone = network.load_backbone()
    settings.check(len(backbone.parts()), network.name)
    return FinetunedModel(backbone, scoring, network.size, settings)


def trainable(encoder: Encoder) -> NetworkEncoder:
    """The encoder, if its network can be trained; raises ValueError if not."""
    if not isinstance(encoder, NetworkEncoder):
        raise ValueError(f"{encoder.name} has no network that could be fine-tuned")
    return encoder


def _freeze(backbone: ImageBackbone, parts: int) -> None:
    """Only the parts behind the first ones learn; what needs no gradient builds no graph."""
    backbone.requires_grad_(False)
    for part in backbone.parts()[parts:]:
        for module in part:
            module.requires_grad_(True)
