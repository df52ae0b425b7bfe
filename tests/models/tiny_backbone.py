"""A backbone of a few hundred parameters, and the encoder around it."""

import torch
from torch import Tensor, nn

from models.encoders.backbone import ImageBackbone
from models.encoders.network_encoder import NetworkEncoder

CROP, SIZE = 32, 37
_CHANNELS = (4, 4, 6, 8)


class TinyBackbone(ImageBackbone):
    """Four strided convolutions with BatchNorm; the first has equal weights for red, green and blue."""

    def __init__(self) -> None:
        super().__init__((0.5,) * 3, (0.5,) * 3, _CHANNELS, levels=(0, 1, 2, 3), deepest=3, classes=0)
        widths = (3, *_CHANNELS)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 4 if a == 3 else 2, 1), nn.BatchNorm2d(b), nn.GELU())
            for a, b in zip(widths, widths[1:], strict=False)
        )
        self.classifier = nn.Linear(8, 5)
        with torch.no_grad():
            stem = self.blocks[0][0].weight
            stem.copy_(stem.mean(1, keepdim=True).expand_as(stem))

    def stages(self, x: Tensor) -> list[Tensor]:
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def parts(self) -> list[list[nn.Module]]:
        return [[block] for block in self.blocks]


class TinyEncoder(NetworkEncoder):
    identity = "tiny 1"  # type: ignore[assignment]

    def __init__(self) -> None:
        self.name, self.size = "tiny", CROP
        self.shapes = tiny_backbone().shapes

    def load_backbone(self) -> ImageBackbone:
        return tiny_backbone()


def tiny_backbone() -> ImageBackbone:
    """Return a backbone with the same weights in every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyBackbone().eval()


def image_shapes() -> dict[str, tuple[int, ...]]:
    return {f"image.{name}": shape for name, shape in tiny_backbone().shapes.items()}
