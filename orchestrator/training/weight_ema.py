"""Exponential moving average of the weights, which replaces them in evaluation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from orchestrator.training.flat_parameters import FlatParameters


class WeightEMA:
    """Exponential moving average of parameters.

    The decay of step t is min(d, (1 + t) / (10 + t)), as in TensorFlow's ExponentialMovingAverage. So the initial
    weights do not dominate the average of a short training.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> ema = WeightEMA([FlatParameters(dict(model.named_parameters()))], decay=0.9)
        >>> ema.update()
        >>> with ema.in_place():  # the model runs on the average
        ...     model(torch.zeros(3, 2)).shape
        torch.Size([3, 1])
    """

    def __init__(self, flat_parameters: Sequence[FlatParameters], decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self._flat = flat_parameters
        self._averages = [flat.values.clone() for flat in flat_parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the weights of one step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for average, flat in zip(self._averages, self._flat, strict=True):
            average.lerp_(flat.values, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Run the model on the average within this context."""
        self._point_to(self._averages)
        try:
            yield
        finally:
            self._point_to([flat.values for flat in self._flat])

    def _point_to(self, values: Sequence[Tensor]) -> None:
        for flat, own in zip(self._flat, values, strict=True):
            for parameter, view in zip(flat.parameters, flat.views(own), strict=True):
                parameter.data = view

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages by parameter name."""
        return {
            name: view
            for flat, average in zip(self._flat, self._averages, strict=True)
            for name, view in zip(flat.names, flat.views(average), strict=True)
        }

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], steps: int) -> None:
        """Load an average that `tensors` returned, and its number of steps."""
        self.steps = steps
        for name, own in self.tensors().items():
            own.copy_(tensors[name])
