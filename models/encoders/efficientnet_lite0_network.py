"""Network of EfficientNet-Lite0, with timm's names of its tensors.

Importing timm takes seconds, because it imports torchvision and that `torch._dynamo`. Every command that encodes an
image would wait for it. The layers are those of timm's `tf_efficientnet_lite0`, after Tan and Le, ICML 2019.
"""

import torch.nn.functional as F
from torch import Tensor, nn

_EPSILON = 1e-3
_STEM, _HEAD, _CLASSES = 32, 1280, 1000
# Kernel, stride of the first layer, output channels, layers and expansion of every block.
_BLOCKS = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 2, 6),
    (5, 2, 40, 2, 6),
    (3, 2, 80, 3, 6),
    (5, 1, 112, 3, 6),
    (5, 2, 192, 4, 6),
    (3, 1, 320, 1, 6),
)


class EfficientNetLite0Network(nn.Module):
    """EfficientNet-Lite0 with its classifier; every block is an `nn.Sequential` of its layers.

    Example:
        >>> import torch
        >>> network = EfficientNetLite0Network().eval()
        >>> network.blocks(network.bn1(network.conv_stem(torch.zeros(1, 3, 64, 64)))).shape
        torch.Size([1, 320, 2, 2])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _SameConv(3, _STEM, 3, stride=2)
        self.bn1 = _norm_act(_STEM)
        blocks, channels = [], _STEM
        for kernel, first_stride, out, layers, expansion in _BLOCKS:
            strides = [first_stride] + [1] * (layers - 1)
            made: list[nn.Module] = []
            for stride in strides:
                made.append(
                    _Expanding(channels, out, kernel, stride, expansion)
                    if expansion > 1
                    else _Separable(channels, out, kernel, stride)
                )
                channels = out
            blocks.append(nn.Sequential(*made))
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = nn.Conv2d(channels, _HEAD, 1, bias=False)
        self.bn2 = _norm_act(_HEAD)
        self.classifier = nn.Linear(_HEAD, _CLASSES)


class _SameConv(nn.Conv2d):
    """Convolution without bias that pads as TensorFlow's "same" does: at stride 2 more after than before."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels, out, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride != (1, 1):
            height, width = (self._padding_of(side) for side in x.shape[-2:])
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)

    def _padding_of(self, side: int) -> int:
        stride, kernel = self.stride[0], self.kernel_size[0]
        return max((-(-side // stride) - 1) * stride + kernel - side, 0)


class _NormAct(nn.BatchNorm2d):
    """Batch normalisation and ReLU6."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(super().forward(x), inplace=True)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


def _norm_act(channels: int) -> nn.BatchNorm2d:
    return _NormAct(channels, eps=_EPSILON)


class _Separable(nn.Module):
    """Depthwise convolution, then a projection."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _SameConv(channels, channels, kernel, stride, groups=channels)
        self.bn1 = _norm_act(channels)
        self.conv_pw = nn.Conv2d(channels, out, 1, bias=False)
        self.bn2 = _norm(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv_dw(x))
        return self.bn2(self.conv_pw(x))


class _Expanding(nn.Module):
    """Inverted residual: an expansion, a depthwise convolution, a projection, and the input if its shape is kept."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = expansion * channels
        self.conv_pw = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = _norm_act(inner)
        self.conv_dw = _SameConv(inner, inner, kernel, stride, groups=inner)
        self.bn2 = _norm_act(inner)
        self.conv_pwl = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = _norm(out)
        self._has_shortcut = channels == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv_pw(x))
        y = self.bn2(self.conv_dw(y))
        y = self.bn3(self.conv_pwl(y))
        return y + x if self._has_shortcut else y
