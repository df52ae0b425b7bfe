"""Optimizer of a training and the schedule of its learning rate."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from orchestrator.training.settings import FitSettings

HYPERNET_PREFIX = "hypernet."
BACKBONE_PREFIX = "backbone."
# Prefix of the scoring model's parameters in a fine-tuned model.
_SCORING_PREFIX = "scoring."
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class _Group:
    """Parameters with the same peak rate and weight decay, and their running moments."""

    parameters: list[nn.Parameter]
    peak_lr: float
    weight_decay: float
    moments: dict[str, list[Tensor]]


class AdamW:
    """Fused kernel of torch.optim.AdamW over a scoring model's trainable parameters.

    The results are those of the class in torch.optim. The first instance of that class in a process imports torch's
    compiler, which takes 2.4 s, more than many whole trainings here. The hypernet's and the backbone's parameters have
    learning rates of their own. Only weight matrices decay: a vector is a bias or the gain of a norm, whose decay only
    costs accuracy. The backbone's weights do not decay either: they are pretrained, so that decay to 0 is no better.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimizer = AdamW(model, FitSettings(lr=0.1))
        >>> model(torch.ones(3, 2)).sum().backward()
        >>> before = model.bias.detach().clone()
        >>> optimizer.step(lr_share=0.5)
        >>> bool((model.bias < before).all())
        True
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
        """Set all gradients to None."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, lr_share: float) -> None:
        """Update every parameter that has a gradient, at `lr_share` of its peak rate."""
        for group in self._groups:
            active = [index for index, p in enumerate(group.parameters) if p.grad is not None]
            moments = {key: [values[index] for index in active] for key, values in group.moments.items()}
            with torch.no_grad():
                adamw(
                    [group.parameters[index] for index in active],
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
        """Return the running moments by `<moment>.<parameter name>`."""
        return {
            f"{moment}.{name}": tensor
            for moment in _MOMENTS
            for name, tensor in zip(
                self._names, (t for group in self._groups for t in group.moments[moment]), strict=True
            )
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Load the moments that `tensors` returned; raise KeyError if one is missing."""
        for name, own in self.tensors().items():
            own.copy_(tensors[name])


def _lr_ratio(name: str, settings: FitSettings) -> float:
    """Return the ratio of a parameter's peak rate to `settings.lr`."""
    if name.startswith(BACKBONE_PREFIX):
        return settings.backbone_lr_ratio
    return settings.hypernet_lr_ratio if name.removeprefix(_SCORING_PREFIX).startswith(HYPERNET_PREFIX) else 1.0


def lr_share(progress: float, warmup: float) -> float:
    """Return the share of the peak rate at `progress` in (0, 1]: linear over `warmup`, then a cosine to 0.

    Example:
        >>> [round(lr_share(progress, warmup=0.2), 2) for progress in (0.1, 0.2, 0.6, 1.0)]
        [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
