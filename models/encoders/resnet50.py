"""ResNet-50 with torchvision's ImageNet weights, the image encoder of hyperIQA and of the paper."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.encoders.backbone import ImageBackbone
from models.encoders.base import ImageEncoder
from models.encoders.network_encoder import NetworkEncoder
from models.encoders.preprocessing import TRANSFORM
from models.encoders.pretrained import resolve_url, sha256
from models.encoders.registry import register_encoder

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CHANNELS = (256, 512, 1024, 2048)


@register_encoder("image")
def resnet50(size: int = 224) -> ImageEncoder:
    """Return ResNet-50 for images of `size` × `size` pixels; `size` is a multiple of 32.

    The last example downloads torchvision's weights, so it is skipped in tests.

    Example:
        >>> encoder = resnet50()
        >>> encoder.shapes["map"]
        (2048, 7, 7)
        >>> encoder.encode(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))["map"].shape  # doctest: +SKIP
        torch.Size([2, 2048, 7, 7])
    """
    return ResNet50(size)


class ResNet50(NetworkEncoder):
    """ResNet-50, frozen, with the weights IMAGENET1K_V1, trained in the same way as hyperIQA's.

    At 224 pixels `map` and the levels are the inputs of hyperIQA's trainable convolutions. `map` is layer4, and the
    levels are 7 × 7 averages of layer1 … layer4, with which a 1 × 1 convolution without bias commutes.

    Args:
        size: Height and width of the input in pixels.

    Example:
        >>> ResNet50(384).name, ResNet50(384).shapes["level1"]
        ('resnet50@384', (256, 8, 8))
    """

    def __init__(self, size: int) -> None:
        self.name = "resnet50" if size == 224 else f"resnet50@{size}"
        self.size = size
        with torch.device("meta"):
            self.shapes = _Backbone(None).shapes

    @property
    def identity(self) -> str:
        """Name, hash of the weights, and transform."""
        return f"{self.name}; arrays 1; weights {sha256(_weights_file())}; {TRANSFORM}, {self.size}; ImageNet's mean"

    def load_backbone(self) -> ImageBackbone:
        """Return the network with its weights, in eval mode."""
        from torchvision.models import resnet50 as build

        net = build(weights=None)
        net.load_state_dict(torch.load(_weights_file(), map_location="cpu", weights_only=True))
        return _Backbone(net).eval()


class _Backbone(ImageBackbone):
    """Backbone whose levels are layer1 … layer4 and whose `map` is layer4."""

    def __init__(self, net: Any) -> None:
        super().__init__(_MEAN, _STD, _CHANNELS, levels=(0, 1, 2, 3), deepest=3, classes=1000)
        self.net = net

    def stages(self, x: Tensor) -> list[Tensor]:
        net = self.net
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        maps = []
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = layer(x)
            maps.append(x)
        return maps

    def parts(self) -> list[list[nn.Module]]:
        net = self.net
        return [[net.conv1, net.bn1], [net.layer1], [net.layer2], [net.layer3], [net.layer4]]

    def logits(self, deepest: Tensor) -> Tensor:
        return torch.as_tensor(self.net.fc(deepest.mean((2, 3))))


def _weights_file() -> Path:
    from torchvision.models import ResNet50_Weights

    return resolve_url("resnet50", "resnet50*.pth", ResNet50_Weights.IMAGENET1K_V1.url)
