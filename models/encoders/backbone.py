"""Network of an image encoder: maps pixels to the arrays that every image encoder returns."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAP_GRID = 7
LEVEL_GRIDS = {"level1": 8, "level2": 4, "level3": 2, "level4": 1}


class ImageBackbone(nn.Module, ABC):
    """Base class of the networks; frozen inside an encoder, or trained together with a scoring model.

    Args:
        mean, std: (3,) of the images that the network was trained on, in units of the full range, such as 0.485.
        channels: channels of every stage's map, from the input to the output.
        levels: index of the stage of each of the four levels, whose strides are about 4, 8, 16 and 32.
        deepest: index of the stage of `map`.
        classes: number of classes of the network's classifier; 0 for none.

    Attributes:
        shapes: shape of each array by its name.

    Example:
        >>> from models.encoders import build_encoder
        >>> backbone = build_encoder("efficientnet_lite0@64").load_backbone()
        >>> isinstance(backbone, ImageBackbone)
        True
        >>> backbone(torch.zeros(2, 3, 64, 64), names=["map"])["map"].shape
        torch.Size([2, 320, 7, 7])
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        channels: Sequence[int],
        levels: Sequence[int],
        deepest: int,
        classes: int,
    ) -> None:
        super().__init__()
        # Arithmetic on the meta device, on which shapes are computed, would import torch._dynamo, which takes seconds.
        means, deviations = (torch.tensor(values, device="cpu").view(3, 1, 1) for values in (mean, std))
        self.register_buffer("scale", 255 * deviations, persistent=False)
        self.register_buffer("offset", means / deviations, persistent=False)
        self.levels = dict(zip(LEVEL_GRIDS, levels, strict=True))
        self.deepest = deepest
        self.shapes: dict[str, tuple[int, ...]] = {
            "map": (channels[deepest], MAP_GRID, MAP_GRID),
            **{name: (channels[stage], LEVEL_GRIDS[name], LEVEL_GRIDS[name]) for name, stage in self.levels.items()},
            "statistics": (2 * sum(channels),),
            **({"probs": (classes,)} if classes else {}),
        }

    @abstractmethod
    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the map (B, C, h, w) of every stage for standardised images (B, 3, H, W)."""

    @abstractmethod
    def parts(self) -> list[list[nn.Module]]:
        """Return the modules from the input to the output, in groups that are frozen together, without classifiers."""

    def logits(self, deepest: Tensor) -> Tensor:
        """Return the classifier's logits (B, classes) of the last stage's map; only if the network has a classifier."""
        raise NotImplementedError

    def forward(self, pixels: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """Compute the named arrays (B, *shape), or all arrays.

        Maps are averaged to the same grids at every input size, so that no array's shape depends on the size.

        Args:
            pixels: (B, 3, H, W), uint8 or floats in 0 … 255.
            names: names of the arrays to compute; None for all in `shapes`.
        """
        # In float32 also under autocast: bfloat16 would leave the statistics two digits.
        stages = [stage.float() for stage in self.stages(pixels.float().div(self.scale).sub_(self.offset))]
        return {name: self._array(name, stages) for name in (self.shapes if names is None else names)}

    def _array(self, name: str, stages: list[Tensor]) -> Tensor:
        if name == "map":
            return F.adaptive_avg_pool2d(stages[self.deepest], MAP_GRID)
        if name in self.levels:
            return F.adaptive_avg_pool2d(stages[self.levels[name]], LEVEL_GRIDS[name])
        if name == "statistics":
            # Means of all stages' channels, then their standard deviations over the positions of the map.
            flat = [stage.flatten(2) for stage in stages]
            return torch.cat([x.mean(2) for x in flat] + [_deviation(x) for x in flat], 1)
        return self.logits(stages[-1]).softmax(1)


def _deviation(x: Tensor) -> Tensor:
    """Return the standard deviation over the positions of (B, C, n); its gradient is 0, not infinite, if it is 0."""
    if not torch.is_grad_enabled():
        return x.std(2, correction=0)
    return (x.var(2, correction=0) + 1e-10).sqrt()
