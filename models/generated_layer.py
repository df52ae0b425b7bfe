"""One set of weights a sample: what a hypernet hands to the target net for each of its layers."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class GeneratedLayer(Protocol):
    """A fully connected layer with weights of its own for every sample of the batch."""

    def apply(self, x: Tensor) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        ...

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Weights (B, out, in) and biases (B, out), for looking at and for tests."""
        ...


@dataclass(frozen=True)
class FullLayer:
    """Weights given value by value.

    Attributes:
        weight: (B, out, in).
        bias: (B, out).
    """

    weight: Tensor
    bias: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        return torch.baddbmm(self.bias.unsqueeze(2), self.weight, x.unsqueeze(2)).squeeze(2)

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Weights (B, out, in) and biases (B, out)."""
        return self.weight, self.bias


@dataclass(frozen=True)
class LowRankLayer:
    """Weights as a product of two thin matrices, applied one after the other and never multiplied out.

    Attributes:
        left: (B, out, rank).
        right: (B, rank, in).
        bias: (B, out).
    """

    left: Tensor
    right: Tensor
    bias: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        inner = torch.bmm(self.right, x.unsqueeze(2))
        return torch.baddbmm(self.bias.unsqueeze(2), self.left, inner).squeeze(2)

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Weights (B, out, in) and biases (B, out)."""
        return torch.bmm(self.left, self.right), self.bias
