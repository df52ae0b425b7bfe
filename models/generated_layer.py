"""Generated layers: one set of weights for every sample, returned by a hypernet for each layer of a target net."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class GeneratedLayer(Protocol):
    """Fully connected layer with weights of its own for every sample of the batch.

    Example:
        >>> layer: GeneratedLayer = FullLayer(weight=torch.zeros(2, 3, 4), bias=torch.ones(2, 3))
        >>> layer.apply(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def apply(self, x: Tensor) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        ...

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Return weights (B, out, in) and biases (B, out), for inspection and tests."""
        ...


@dataclass(frozen=True)
class FullLayer:
    """Layer whose weights are generated value by value.

    Attributes:
        weight: (B, out, in).
        bias: (B, out).

    Example:
        >>> layer = FullLayer(weight=torch.zeros(2, 3, 4), bias=torch.ones(2, 3))
        >>> layer.apply(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    weight: Tensor
    bias: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        return torch.baddbmm(self.bias.unsqueeze(2), self.weight, x.unsqueeze(2)).squeeze(2)

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Return weights (B, out, in) and biases (B, out)."""
        return self.weight, self.bias


@dataclass(frozen=True)
class LowRankLayer:
    """Layer whose weights are a product of two thin matrices; `apply` never computes the product.

    Attributes:
        left: (B, out, rank).
        right: (B, rank, in).
        bias: (B, out).

    Example:
        >>> layer = LowRankLayer(torch.zeros(2, 3, 1), torch.zeros(2, 1, 4), torch.zeros(2, 3))
        >>> layer.apply(torch.zeros(2, 4)).shape, layer.materialize()[0].shape
        (torch.Size([2, 3]), torch.Size([2, 3, 4]))
    """

    left: Tensor
    right: Tensor
    bias: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        inner = torch.bmm(self.right, x.unsqueeze(2))
        return torch.baddbmm(self.bias.unsqueeze(2), self.left, inner).squeeze(2)

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Return weights (B, out, in) and biases (B, out)."""
        return torch.bmm(self.left, self.right), self.bias
