"""The optimizer of a training and the course of its learning rate."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from orchestrator.training.settings import FitSettings

HYPERNET_PREFIX = "hypernet."
BACKBONE_PREFIX = "backbone."
# A fine-tuned model holds the scoring model under this name.
_SCORING_PREFIX = "scoring."
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class _Group:
    """Parameters with one peak rate and one decay, and their running moments."""

    parameters: list[nn.Parameter]
    peak_lr: float
    weight_decay: float
    moments: dict[str, list[Tensor]]


class AdamW:
    """torch.optim.AdamW's fused kernel over a scoring model's trainable parameters.

    The same numbers as the class in torch.optim, whose first instance in a process imports torch's compiler:
    2.4 s, more than many a whole training here. The hypernet's parameters and the backbone's learn at rates of
    their own, and only weights decay: a vector is a bias or a norm's gain, and shrinking it only costs fit. Nor do the
    backbone's: they are pretrained, so that 0 is no better guess than what they are.
    """

    def __init__(self, model: nn.Module, settings: FitSettings) -> None:
        groups: dict[tuple[float, bool], dict[str, nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and not name.startswith(BACKBONE_PREFIX)
                groups.setdefault((_lr_ratio(name, settings), decays), {})[name] = parameter
        self._names = [name for named in groups.values() for name in named]
        self._groups = [
            _Group(
                parameters=list(named.values()),
                peak_lr=settings.lr * ratio,
                weight_decay=settings.weight_decay if decays else 0.0,
                moments={
                    "exp_avg": [torch.zeros_like(parameter) for parameter in named.values()],
                    "exp_avg_sq": [torch.zeros_like(parameter) for parameter in named.values()],
                    "step": [torch.zeros((), device=parameter.device) for parameter in named.values()],
                },
            )
            for (ratio, decays), named in groups.items()
        ]
        self.parameters = [parameter for group in self._groups for parameter in group.parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, lr_share: float) -> None:
        """Move every parameter that has a gradient, at `lr_share` of its peak rate."""
        for group in self._groups:
            active = [place for place, p in enumerate(group.parameters) if p.grad is not None]
            moments = {key: [values[place] for place in active] for key, values in group.moments.items()}
            with torch.no_grad():
                adamw(
                    [group.parameters[place] for place in active],
                    [gradient for p in group.parameters if (gradient := p.grad) is not None],
                    moments["exp_avg"],
                    moments["exp_avg_sq"],
                    [],
                    moments["step"],
                    fused=True,
                    amsgrad=False,
                    beta1=_BETAS[0],
                    beta2=_BETAS[1],
                    lr=lr_share * group.peak_lr,
                    weight_decay=group.weight_decay,
                    eps=_EPSILON,
                    maximize=False,
                )

    def tensors(self) -> dict[str, Tensor]:
        """`<moment>.<parameter name>` → running moment."""
        return {
            f"{moment}.{name}": tensor
            for moment in _MOMENTS
            for name, tensor in zip(
                self._names, (t for group in self._groups for t in group.moments[moment]), strict=True
            )
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up the moments where `tensors` left them; raises KeyError if one is missing."""
        for name, own in self.tensors().items():
            own.copy_(tensors[name])


def _lr_ratio(name: str, settings: FitSettings) -> float:
    """A parameter's peak rate over `settings.lr`."""
    if name.startswith(BACKBONE_PREFIX):
        return settings.backbone_lr_ratio
    return settings.hypernet_lr_ratio if name.removeprefix(_SCORING_PREFIX).startswith(HYPERNET_PREFIX) else 1.0


def lr_share(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` in (0, 1]: a linear climb over `warmup`, then a cosine to 0."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
