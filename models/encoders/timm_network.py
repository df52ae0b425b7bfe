"""Convolutional networks of timm that return maps at strides 4, 8, 16 and 32."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.encoders.backbone import ImageBackbone
from models.encoders.base import ImageEncoder
from models.encoders.network_encoder import NetworkEncoder
from models.encoders.preprocessing import TRANSFORM
from models.encoders.pretrained import resolve_hub_file, sha256
from models.encoders.registry import register_encoder
from models.unknown_name import UnknownNameError

_OCTAVES = (2, 3, 4, 5)  # strides 4, 8, 16 and 32, as powers of 2
_IMAGENET = 1000


@register_encoder("image", argument="NAME")
def timm(name: str, size: int = 224) -> ImageEncoder:
    """Return a network by timm's name, `resnet18` or `resnet18.a1_in1k`, for images of `size` × `size` pixels.

    The last example downloads weights from the Hugging Face hub, so it is skipped in tests.

    Example:
        >>> encoder = timm("resnet18")
        >>> encoder.shapes["map"]
        (512, 7, 7)
        >>> encoder.encode(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))["map"].shape  # doctest: +SKIP
        torch.Size([2, 512, 7, 7])
    """
    return TimmEncoder(name, size)


class TimmEncoder(NetworkEncoder):
    """Frozen network of timm.

    Args:
        network: timm's name of the network; without a tag of weights, timm's default weights are used.
        size: Height and width of the input in pixels.

    Raises:
        ValueError: timm has no such network, or it returns no maps at strides 4, 8, 16 and 32 for that size.

    Example:
        >>> encoder = TimmEncoder("resnet18", 384)
        >>> encoder.name, encoder.shapes["level1"]
        ('timm:resnet18@384', (64, 8, 8))
    """

    def __init__(self, network: str, size: int) -> None:
        self.name = f"timm:{network}" if size == 224 else f"timm:{network}@{size}"
        self.size = size
        self._network = network
        with torch.device("meta"):
            net = _create(network)
            self._layout = _stage_layout(self.name, net, size)
            self.shapes = _Backbone(net, self._layout).shapes
        self._configuration: dict[str, Any] = net.pretrained_cfg

    @property
    def identity(self) -> str:
        """Name, hash of the weights, and transform."""
        scaling = f"mean {self._configuration['mean']}, deviation {self._configuration['std']}"
        return f"{self.name}; arrays 1; weights {sha256(self._weights_file)}; {TRANSFORM}, {self.size}; {scaling}"

    def load_backbone(self) -> ImageBackbone:
        """Return the network with its weights, in eval mode."""
        net = _create(self._network, pretrained=True, pretrained_cfg_overlay={"file": str(self._weights_file)})
        return _Backbone(net, self._layout).eval()

    @cached_property
    def _weights_file(self) -> Path:
        return resolve_hub_file(
            self.name,
            [f"timm/{self._network}{suffix}" for suffix in (".safetensors", ".pth")],
            self._configuration.get("hf_hub_id"),
            [self._configuration.get("hf_hub_filename") or "model.safetensors", "pytorch_model.bin"],
        )


@dataclass(frozen=True)
class _StageLayout:
    """Stages of a network.

    Attributes:
        channels: channels of every stage's map.
        levels: index of the stage of each level.
        deepest: index of the stage of `map`.
        head: whether the last stage is the map of the network's head.
        classes: number of classes of the classifier; 0 for none.
    """

    channels: tuple[int, ...]
    levels: tuple[int, ...]
    deepest: int
    head: bool
    classes: int


class _Backbone(ImageBackbone):
    """Backbone whose levels are the last maps at strides 4, 8 and 16, and the head's map.

    Without a map of the head the last level is the last map at stride 32. `map` is the last map at stride 32, before
    the head.
    """

    def __init__(self, net: Any, layout: _StageLayout) -> None:
        mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
        super().__init__(mean, std, layout.channels, layout.levels, layout.deepest, layout.classes)
        self.net = net
        self._head = layout.head

    def stages(self, x: Tensor) -> list[Tensor]:
        last, maps = self.net.forward_intermediates(x)
        return [*maps, last] if self._head else list(maps)

    def parts(self) -> list[list[nn.Module]]:
        from timm.models import group_parameters

        groups = group_parameters(self.net, self.net.group_matcher(coarse=True), reverse=True)
        classifier = {id(parameter) for parameter in self.net.get_classifier().parameters()}
        of_head = {groups[name] for name, parameter in self.net.named_parameters() if id(parameter) in classifier}
        parts: dict[int, list[nn.Module]] = {group: [] for group in sorted(set(groups.values()) - of_head)}
        for group, module in _modules_by_group(self.net, groups, ""):
            if group in parts:
                parts[group].append(module)
        return list(parts.values())

    def logits(self, deepest: Tensor) -> Tensor:
        return torch.as_tensor(self.net.forward_head(deepest))


def _create(network: str, **options: Any) -> Any:
    import timm

    try:
        return timm.create_model(network, **options)
    except RuntimeError as error:
        known = [*timm.list_models(), *timm.list_pretrained()]
        if network in known:
            raise
        if near := get_close_matches(network, known, n=3, cutoff=0.5):
            raise UnknownNameError("network of timm", network, near) from error
        raise ValueError(f"timm has no network '{network}'; timm.list_models() lists its networks") from error


def _stage_layout(name: str, net: Any, size: int) -> _StageLayout:
    """Determine the stages by a forward pass on the meta device."""
    if not hasattr(net, "forward_intermediates") or not hasattr(net, "group_matcher"):
        raise ValueError(f"{name} does not return the maps of its stages; choose another network of timm")
    net.eval()
    try:
        last, maps = net.forward_intermediates(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(f"{name} does not take images of {size} pixels: {' '.join(str(error).split())}") from error
    octaves = [round(math.log2(size / map_.shape[-1])) for map_ in maps]
    if missing := [2**octave for octave in _OCTAVES if octave not in octaves]:
        strides = f"stride {' and '.join(map(str, missing))}"
        raise ValueError(f"{name} returns no map at {strides}; a convolutional network such as timm:resnet18 does")
    levels = [len(octaves) - 1 - octaves[::-1].index(octave) for octave in _OCTAVES]
    deepest = levels[-1]
    is_map = last.ndim == 4 and last.shape[2:] == maps[-1].shape[2:]
    head = is_map and last is not maps[-1]
    if head:
        levels[-1] = len(maps)
    classes = _IMAGENET if is_map and net.forward_head(last).shape == (1, _IMAGENET) else 0
    channels = [map_.shape[1] for map_ in (*maps, *([last] if head else []))]
    return _StageLayout(tuple(channels), tuple(levels), deepest, head, classes)


def _modules_by_group(module: nn.Module, groups: dict[str, int], prefix: str) -> Iterator[tuple[int, nn.Module]]:
    """Yield the largest modules whose parameters are all of one group, with that group."""
    own = {groups[name] for name, _ in module.named_parameters(prefix=prefix)}
    if len(own) == 1:
        yield own.pop(), module
    elif own:
        for name, child in module.named_children():
            yield from _modules_by_group(child, groups, f"{prefix}.{name}" if prefix else name)
