"""The network of an image encoder: pixels in, the arrays that every image encoder names out."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAP_GRID = 7
LEVEL_GRIDS = {"level1": 8, "level2": 4, "level3": 2, "level4": 1}


class ImageBackbone(nn.Module, ABC):
    """Base of the networks; frozen inside an encoder, or trained together with a scoring model.

    Args:
        mean, std: (3,) of the images it was trained on, in units of the full range, as in 0.485.
        channels: of every stage's map, from the input on.
        levels: which stage is each of the four levels; they have strides 4, 8, 16 and 32 or nearly.
        deepest: which stage is `map`.
        classes: how many classes it knows; 0 for none.
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
        per_channel = (3, 1, 1)
        self.register_buffer("scale", 255 * torch.tensor(std).view(per_channel), persistent=False)
        self.register_buffer("offset", (torch.tensor(mean) / torch.tensor(std)).view(per_channel), persistent=False)
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
        """Map (B, C, h, w) of every stage for standardised images (B, 3, H, W)."""

    @abstractmethod
    def parts(self) -> list[list[nn.Module]]:
        """Its modules from the input on, in groups that are frozen together; classifiers belong to none."""

    def logits(self, deepest: Tensor) -> Tensor:
        """Of the classes (B, classes), from the last stage's map; only where it knows classes."""
        raise NotImplementedError

    def forward(self, pixels: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """Arrays (B, *shape), those named or all.

        At another input size than 224 the maps are averaged to the same grids, so that no array's shape depends
        on the size.

        Args:
            pixels: (B, 3, H, W), uint8 or floats in 0 … 255.
            names: of the arrays wanted; see `shapes`.
        """
        # In float32 also under autocast: bfloat16 would leave the statistics two digits.
        stages = [stage.float() for stage in self.stages(pixels.float().div(self.scale).sub_(self.offset))]
        wanted = self.shapes if names is None else names
        return {name: self._array(name, stages) for name in wanted}

    def _array(self, name: str, stages: list[Tensor]) -> Tensor:
        if name == "map":
            return F.adaptive_avg_pool2d(stages[self.deepest], MAP_GRID)
        if name in self.levels:
            return F.adaptive_avg_pool2d(stages[self.levels[name]], LEVEL_GRIDS[name])
        if name == "statistics":
            # Means of all stages' channels, then their standard deviations over the places of the map.
            flat = [stage.flatten(2) for stage in stages]
            return torch.cat([x.mean(2) for x in flat] + [_deviation(x) for x in flat], 1)
        return self.logits(stages[-1]).softmax(1)


def _deviation(x: Tensor) -> Tensor:
    """Standard deviation over the places of (B, C, n); where it is 0 its gradient is 0, not infinite."""
    if not torch.is_grad_enabled():
        return x.std(2, correction=0)
    return (x.var(2, correction=0) + 1e-10).sqrt()
