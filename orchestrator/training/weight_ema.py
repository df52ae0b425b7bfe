"""Exponential moving average of the weights, which replaces them in evaluation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightEMA:
    """Exponential moving average of a model's trainable parameters.

    The decay of step t is min(d, (1 + t) / (10 + t)), as in TensorFlow's ExponentialMovingAverage. So the initial
    weights do not dominate the average of a short training.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> ema = WeightEMA(model, decay=0.9)
        >>> ema.update()
        >>> with ema.in_place():  # the model runs on the average
        ...     model(torch.zeros(3, 2)).shape
        torch.Size([3, 1])
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self._names, self._parameters = [], []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self._names.append(name)
                self._parameters.append(parameter)
        self._averages = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the weights of one step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_(self._averages, [p.detach() for p in self._parameters], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Run the model on the average within this context."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for parameter, average in zip(self._parameters, self._averages, strict=True):
            parameter.data, average.data = average.data, parameter.data

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages by parameter name."""
        return dict(zip(self._names, self._averages, strict=True))

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], steps: int) -> None:
        """Load an average that `tensors` returned, and its number of steps."""
        self.steps = steps
        for name, average in zip(self._names, self._averages, strict=True):
            average.copy_(tensors[name])
