"""Any convolutional network of timm that gives maps at strides 4, 8, 16 and 32."""

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
    """A network by timm's name for it, `resnet18` or `resnet18.a1_in1k`, for images of `size` × `size` pixels."""
    return TimmEncoder(name, size)


class TimmEncoder(NetworkEncoder):
    """A network of timm, frozen.

    Args:
        network: timm's name of it, with the tag of its weights or without: then timm's own choice of them.
        size: Height and width of the input in pixels.

    Raises:
        ValueError: timm has no such network, or it gives no maps at strides 4, 8, 16 and 32 for that size.
    """

    def __init__(self, network: str, size: int) -> None:
        self.name = f"timm:{network}" if size == 224 else f"timm:{network}@{size}"
        self.size = size
        self._network = network
        with torch.device("meta"):
            net = _create(network)
            self._plan = _plan(self.name, net, size)
            self.shapes = _Backbone(net, self._plan).shapes
        self._configuration: dict[str, Any] = net.pretrained_cfg

    @property
    def identity(self) -> str:
        """Name, hash of the weights, and transform."""
        scaling = f"mean {self._configuration['mean']}, deviation {self._configuration['std']}"
        return f"{self.name}; arrays 1; weights {sha256(self._weights_file)}; {TRANSFORM}, {self.size}; {scaling}"

    def load_backbone(self) -> ImageBackbone:
        """The network with its weights, in eval mode."""
        net = _create(self._network, pretrained=True, pretrained_cfg_overlay={"file": str(self._weights_file)})
        return _Backbone(net, self._plan).eval()

    @cached_property
    def _weights_file(self) -> Path:
        return resolve_hub_file(
            self.name,
            [f"timm/{self._network}{suffix}" for suffix in (".safetensors", ".pth")],
            self._configuration.get("hf_hub_id"),
            [self._configuration.get("hf_hub_filename") or "model.safetensors", "pytorch_model.bin"],
        )


@dataclass(frozen=True)
class _Plan:
    """What a network gives: channels of its stages, which are the levels, whether a head's map is the last."""

    channels: tuple[int, ...]
    levels: tuple[int, ...]
    deepest: int
    head: bool
    classes: int


class _Backbone(ImageBackbone):
    """The levels are the last maps at strides 4, 8 and 16, and the head's where it has one, else that at 32.

    `map` is the last at stride 32, before the head.
    """

    def __init__(self, net: Any, plan: _Plan) -> None:
        mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
        super().__init__(mean, std, plan.channels, plan.levels, plan.deepest, plan.classes)
        self.net = net
        self._head = plan.head

    def stages(self, x: Tensor) -> list[Tensor]:
        last, maps = self.net.forward_intermediates(x)
        return [*maps, last] if self._head else list(maps)

    def parts(self) -> list[list[nn.Module]]:
        from timm.models import group_parameters

        groups = group_parameters(self.net, self.net.group_matcher(coarse=True), reverse=True)
        classifier = {id(parameter) for parameter in self.net.get_classifier().parameters()}
        of_head = {groups[name] for name, parameter in self.net.named_parameters() if id(parameter) in classifier}
        found: dict[int, list[nn.Module]] = {group: [] for group in sorted(set(groups.values()) - of_head)}
        for group, module in _within_one(self.net, groups, ""):
            if group in found:
                found[group].append(module)
        return list(found.values())

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
        raise ValueError(f"timm has no network '{network}'; timm.list_models() names those it has") from error


def _plan(name: str, net: Any, size: int) -> _Plan:
    """Measured on an image that has no pixels."""
    if not hasattr(net, "forward_intermediates") or not hasattr(net, "group_matcher"):
        raise ValueError(f"{name} does not give the maps of its stages; choose another network of timm")
    net.eval()
    try:
        last, maps = net.forward_intermediates(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(f"{name} does not take images of {size} pixels: {' '.join(str(error).split())}") from error
    octaves = [round(math.log2(size / map_.shape[-1])) for map_ in maps]
    if missing := [2**octave for octave in _OCTAVES if octave not in octaves]:
        strides = f"stride {' and '.join(map(str, missing))}"
        raise ValueError(f"{name} gives no map at {strides}; a convolutional network such as timm:resnet18 does")
    levels = [len(octaves) - 1 - octaves[::-1].index(octave) for octave in _OCTAVES]
    deepest = levels[-1]
    like_a_map = last.ndim == 4 and last.shape[2:] == maps[-1].shape[2:]
    head = like_a_map and last is not maps[-1]
    if head:
        levels[-1] = len(maps)
    classes = _IMAGENET if like_a_map and net.forward_head(last).shape == (1, _IMAGENET) else 0
    channels = [map_.shape[1] for map_ in (*maps, *([last] if head else []))]
    return _Plan(tuple(channels), tuple(levels), deepest, head, classes)


def _within_one(module: nn.Module, groups: dict[str, int], prefix: str) -> Iterator[tuple[int, nn.Module]]:
    """The largest modules whose parameters are all of one group, with that group."""
    own = {groups[name] for name, _ in module.named_parameters(prefix=prefix)}
    if len(own) == 1:
        yield own.pop(), module
    elif own:
        for name, child in module.named_children():
            yield from _within_one(child, groups, f"{prefix}.{name}" if prefix else name)
