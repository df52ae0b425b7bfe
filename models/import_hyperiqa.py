"""Brings a published hyperIQA checkpoint here: its names and ours, side by side.

hyperIQA (github SSL92/hyperIQA, `models.py`) keeps backbone, local-distortion module and hypernet in one state dict:

| there | here, in `image_hyper` with its defaults |
|---|---|
| `res.conv1`, `res.bn1`, `res.layer1` … `res.layer4` | the backbone, in torchvision's names for resnet50 |
| `res.lda1_pool.0`, `res.lda1_fc` … `res.lda3_*`, `res.lda4_fc` | `stem.parts.image_level1.0`, `.2`; for level 4 `.1` |
| `conv1.0`, `conv1.2`, `conv1.4` | `hypernet.trunk.blocks.0.0`, `.1.0`, `.2.0` |
| `fc1w_conv` … `fc4w_conv`, `fc5w_fc` | `hypernet.layers.0.weight.values` … `hypernet.layers.4.weight.values` |
| `fc1b_fc` … `fc5b_fc` | `hypernet.layers.0.bias.values` … `hypernet.layers.4.bias.values` |

Ours divides a head's input by its fan-in (see `models.hypernet`), so the weights of heads are multiplied by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

_STAGES = 4
_LAYERS = 5
_TRUNK = {"conv1.0": 0, "conv1.2": 1, "conv1.4": 2}


@dataclass(frozen=True)
class HyperIQA:
    """A hyperIQA checkpoint, taken apart.

    Attributes:
        model: state of `build_variant("image_hyper", shapes of resnet50)`; its score is in the units that the
            checkpoint was trained on.
        backbone: state of torchvision's `resnet50` without its classifier `fc`.
    """

    model: dict[str, Tensor]
    backbone: dict[str, Tensor]


def import_hyperiqa(state: Mapping[str, Tensor]) -> HyperIQA:
    """Translate a hyperIQA state dict.

    Raises:
        ValueError: it lacks a tensor, or has one that hyperIQA does not have.
    """
    left = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    model: dict[str, Tensor] = {}

    def take(there: str, here: str, parameters: tuple[str, ...] = ("weight", "bias"), by_fan_in: bool = False) -> None:
        for parameter in parameters:
            name = f"{there}.{parameter}"
            if name not in left:
                raise ValueError(f"this is no hyperIQA checkpoint: it has no {name}")
            tensor = left.pop(name)
            if by_fan_in and parameter == "weight":
                tensor = tensor * tensor[0].numel()
            model[f"{here}.{parameter}"] = tensor

    for level in range(1, _STAGES):
        take(f"res.lda{level}_pool.0", f"stem.parts.image_level{level}.0", ("weight",))
        take(f"res.lda{level}_fc", f"stem.parts.image_level{level}.2")
    take(f"res.lda{_STAGES}_fc", f"stem.parts.image_level{_STAGES}.1")
    for there, block in _TRUNK.items():
        take(there, f"hypernet.trunk.blocks.{block}.0")
    for layer in range(_LAYERS):
        kind = "conv" if layer < _LAYERS - 1 else "fc"
        take(f"fc{layer + 1}w_{kind}", f"hypernet.layers.{layer}.weight.values", by_fan_in=True)
        take(f"fc{layer + 1}b_fc", f"hypernet.layers.{layer}.bias.values", by_fan_in=True)
    backbone = {name.removeprefix("res."): left.pop(name) for name in list(left) if name.startswith("res.")}
    if left:
        raise ValueError(f"this is no hyperIQA checkpoint: it has {', '.join(sorted(left)[:3])} besides")
    return HyperIQA(model, backbone)
