"""Conversion of published hyperIQA checkpoints to the names of `image_hyper`.

hyperIQA (github SSL92/hyperIQA, `models.py`) stores backbone, local-distortion module and hypernet in one state dict.
The names there, and in `image_hyper` with its defaults:

- `res.conv1`, `res.bn1`, `res.layer1` … `res.layer4`: the backbone, in torchvision's names for resnet50
- `res.lda1_pool.0`, `res.lda1_fc` … `res.lda3_*`: `stem.parts.image_level1.0`, `stem.parts.image_level1.2` …
- `res.lda4_fc`: `stem.parts.image_level4.1`
- `conv1.0`, `conv1.2`, `conv1.4`: `hypernet.trunk.blocks.0.0`, `.1.0`, `.2.0`
- `fc1w_conv` … `fc4w_conv`, `fc5w_fc`: `hypernet.layers.0.weight.values` … `hypernet.layers.4.weight.values`
- `fc1b_fc` … `fc5b_fc`: `hypernet.layers.0.bias.values` … `hypernet.layers.4.bias.values`

A head of `models.hypernet` divides its input by its fan-in, so the weights of heads are multiplied by the fan-in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

_STAGES = 4
_LAYERS = 5
_TRUNK = {"conv1.0": 0, "conv1.2": 1, "conv1.4": 2}


@dataclass(frozen=True)
class HyperIQA:
    """Converted hyperIQA checkpoint.

    Attributes:
        model: state of `build_variant("image_hyper", shapes of resnet50)`; its score is in the units that the
            checkpoint was trained on.
        backbone: state of torchvision's `resnet50` without its classifier `fc`.

    Example:
        >>> HyperIQA(model={}, backbone={}).backbone
        {}
    """

    model: dict[str, Tensor]
    backbone: dict[str, Tensor]


def import_hyperiqa(state: Mapping[str, Tensor]) -> HyperIQA:
    """Convert a hyperIQA state dict.

    Raises:
        ValueError: the state dict lacks a tensor, or has one that hyperIQA does not have.

    Example:
        >>> import_hyperiqa({"fc.weight": Tensor(2, 3)})
        Traceback (most recent call last):
        ...
        ValueError: this is not a hyperIQA checkpoint: it lacks res.lda1_pool.0.weight
    """
    remaining = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    model: dict[str, Tensor] = {}

    def move(old: str, new: str, parameters: tuple[str, ...] = ("weight", "bias"), by_fan_in: bool = False) -> None:
        for parameter in parameters:
            name = f"{old}.{parameter}"
            if name not in remaining:
                raise ValueError(f"this is not a hyperIQA checkpoint: it lacks {name}")
            tensor = remaining.pop(name)
            if by_fan_in and parameter == "weight":
                tensor = tensor * tensor[0].numel()
            model[f"{new}.{parameter}"] = tensor

    for level in range(1, _STAGES):
        move(f"res.lda{level}_pool.0", f"stem.parts.image_level{level}.0", ("weight",))
        move(f"res.lda{level}_fc", f"stem.parts.image_level{level}.2")
    move(f"res.lda{_STAGES}_fc", f"stem.parts.image_level{_STAGES}.1")
    for name, block in _TRUNK.items():
        move(name, f"hypernet.trunk.blocks.{block}.0")
    for layer in range(_LAYERS):
        kind = "conv" if layer < _LAYERS - 1 else "fc"
        move(f"fc{layer + 1}w_{kind}", f"hypernet.layers.{layer}.weight.values", by_fan_in=True)
        move(f"fc{layer + 1}b_fc", f"hypernet.layers.{layer}.bias.values", by_fan_in=True)
    backbone = {name.removeprefix("res."): remaining.pop(name) for name in list(remaining) if name.startswith("res.")}
    if remaining:
        raise ValueError(f"this is not a hyperIQA checkpoint: it also has {', '.join(sorted(remaining)[:3])}")
    return HyperIQA(model, backbone)
