"""Optimizer of a training and the schedule of its learning rate."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from orchestrator.training.flat_parameters import FlatParameters
from orchestrator.training.settings import FitSettings

HYPERNET_PREFIX = "hypernet."
BACKBONE_PREFIX = "backbone."
# Prefix of the scoring model's parameters in a fine-tuned model.
_SCORING_PREFIX = "scoring."
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_MOMENTS, _STEP = ("exp_avg", "exp_avg_sq"), "step"


class _Group:
    """Parameters with the same peak rate and weight decay, and their running moments."""

    def __init__(self, named: Mapping[str, nn.Parameter], peak_lr: float, weight_decay: float) -> None:
        self.flat = FlatParameters(named)
        self.peak_lr = peak_lr
        self.weight_decay = weight_decay
        self.gradients = torch.empty_like(self.flat.values)
        self.moments = [torch.zeros_like(self.flat.values) for _ in _MOMENTS]
        self.steps = torch.zeros(len(self.flat.names), device=self.flat.values.device)
        self.in_step = True  # whether all parameters have had the same number of steps

    @property
    def complete(self) -> bool:
        """True if all parameters have a gradient."""
        return all(parameter.grad is not None for parameter in self.flat.parameters)

    def tensors(self) -> dict[str, Tensor]:
        """Return views of the moments and steps by `<moment>.<parameter name>`."""
        views = {moment: self.flat.views(values) for moment, values in zip(_MOMENTS, self.moments, strict=True)}
        views[_STEP] = list(self.steps.unbind())
        return {
            f"{moment}.{name}": view
            for moment, of_parameters in views.items()
            for name, view in zip(self.flat.names, of_parameters, strict=True)
        }

    def update(self, lr_share: float) -> None:
        """Update the parameters: as one tensor if `gradients` has all of them, else each that has a gradient."""
        if self.complete and self.in_step:
            step = self.steps[0].clone()  # the kernel increments it
            self._adamw([self.flat.values], [self.gradients], [[values] for values in self.moments], [step], lr_share)
            self.steps += 1
            return
        self.in_step = self.in_step and self.complete
        parameters = self.flat.parameters
        active = [index for index, parameter in enumerate(parameters) if parameter.grad is not None]
        views = [self.flat.views(values) for values in self.moments]
        self._adamw(
            [parameters[index] for index in active],
            [gradient for parameter in parameters if (gradient := parameter.grad) is not None],
            [[of_parameters[index] for index in active] for of_parameters in views],
            [self.steps[index] for index in active],
            lr_share,
        )

    def _adamw(
        self,
        values: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor]],
        steps: list[Tensor],
        lr_share: float,
    ) -> None:
        adamw(
            values,
            gradients,
            moments[0],
            moments[1],
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=lr_share * self.peak_lr,
            weight_decay=self.weight_decay,
            eps=_EPSILON,
            maximize=False,
        )


class AdamW:
    """Fused kernel of torch.optim.AdamW over a scoring model's trainable parameters.

    The results are those of the class in torch.optim. The first instance of that class in a process imports torch's
    compiler, which takes 2.4 s, more than many whole trainings here. The hypernet's and the backbone's parameters have
    learning rates of their own. The parameters of a rate and decay lie in one tensor, which a step updates as a whole.

    Only weight matrices decay: a vector is a bias or the gain of a norm, whose decay only costs accuracy. The
    backbone's weights do not decay either: they are pretrained, so that decay to 0 is no better.

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
        groups: dict[tuple[float, bool, torch.dtype], dict[str, nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and not name.startswith(BACKBONE_PREFIX)
                groups.setdefault((_lr_ratio(name, settings), decays, parameter.dtype), {})[name] = parameter
        self._groups = [
            _Group(named, settings.lr * ratio, settings.weight_decay if decays else 0.0)
            for (ratio, decays, _), named in groups.items()
        ]

    @property
    def flat_parameters(self) -> list[FlatParameters]:
        """The trainable parameters, those of each group in one tensor."""
        return [group.flat for group in self._groups]

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for group in self._groups:
            for parameter in group.flat.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self, lr_share: float, clip_norm: float = 0.0) -> None:
        """Update every parameter that has a gradient, at `lr_share` of its peak rate.

        Args:
            lr_share: share of the peak rate.
            clip_norm: largest norm of the gradient, which is scaled down to it; 0 for no clipping.
        """
        gradients: list[Tensor] = []
        for group in self._groups:
            if group.complete:
                gradients.append(group.flat.of([_gradient(p) for p in group.flat.parameters], out=group.gradients))
            else:
                gradients += [p.grad for p in group.flat.parameters if p.grad is not None]
        if clip_norm:
            norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
            scale = (clip_norm / (torch.linalg.vector_norm(torch.stack(norms)) + 1e-6)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(scale)
        for group in self._groups:
            if group.complete and not group.in_step:
                for parameter, clipped in zip(group.flat.parameters, group.flat.views(group.gradients), strict=True):
                    parameter.grad = clipped
            group.update(lr_share)

    def tensors(self) -> dict[str, Tensor]:
        """Return the running moments by `<moment>.<parameter name>`."""
        return {name: tensor for group in self._groups for name, tensor in group.tensors().items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Load the moments that `tensors` returned; raise KeyError if one is missing."""
        for name, own in self.tensors().items():
            own.copy_(tensors[name])
        for group in self._groups:
            group.in_step = bool((group.steps == group.steps[0]).all())


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


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
