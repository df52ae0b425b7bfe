"""Matrices that differ from sample to sample, and their products with a vector of each sample."""

from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor

from models.input_parts import LayerInput, join, linear

_FEW_VALUES = 128
"""Values of a generated matrix up to which generating it takes less time than the operations that avoid it."""


class GeneratedMatrix(Protocol):
    """Matrix with values of its own for every sample of the batch.

    Example:
        >>> matrix: GeneratedMatrix = ValueMatrix(torch.zeros(2, 3, 4))
        >>> matrix.times(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def times(self, x: LayerInput) -> Tensor:
        """Multiply (B, in) by each row's own matrix; return (B, out)."""
        ...

    def materialize(self) -> Tensor:
        """Return the values (B, out, in)."""
        ...


@dataclass(frozen=True)
class ValueMatrix:
    """Matrix whose values exist.

    Attributes:
        values: (B, out, in).

    Example:
        >>> ValueMatrix(torch.ones(1, 2, 3)).times(torch.ones(1, 3))
        tensor([[3., 3.]])
    """

    values: Tensor

    def times(self, x: LayerInput) -> Tensor:
        """Multiply (B, in) by each row's own matrix; return (B, out)."""
        return torch.bmm(self.values, join(x).unsqueeze(2)).squeeze(2)

    def materialize(self) -> Tensor:
        """Return the values (B, out, in)."""
        return self.values


@dataclass(frozen=True)
class BilinearMatrix:
    """Matrix that is linear in a condition c: R(c) = Σ_k c_k W_k + W₀.

    R(c)·x is bilinear in c and x, so it can be computed in three orders. All multiply out · in · width numbers for a
    sample. They differ in what lies between: the matrix (out · in), all products W_k·x (out · width), or the outer
    product of x and c (in · width). The smallest is taken. For a low-rank right factor (rank × in) it is the second,
    for a left factor (out × rank) the third.

    Attributes:
        condition: (B, width + 1); the last value is 1.
        weight: (out · in, width), the matrices W_k.
        bias: (out · in,), the matrix W₀.
        shape: (out, in).

    Example:
        >>> matrix = BilinearMatrix(torch.ones(5, 3), torch.zeros(8, 2), torch.ones(8), shape=(2, 4))
        >>> matrix.times(torch.ones(5, 4))[0]
        tensor([4., 4.])
    """

    condition: Tensor
    weight: Tensor
    bias: Tensor
    shape: tuple[int, int]

    def times(self, x: LayerInput) -> Tensor:
        """Multiply (B, in) by each row's own matrix; return (B, out)."""
        (n_out, n_in), width = self.shape, self.condition.shape[1]
        if prod(self.shape) <= max(_FEW_VALUES, min(n_out, n_in) * width):
            return ValueMatrix(self.materialize()).times(x)
        return self.project_first(x) if n_out <= n_in else self.outer_first(x)

    def project_first(self, x: LayerInput) -> Tensor:
        """Return the product by way of (B, out, width): all W_k·x, then their sum weighted by c."""
        weight = torch.cat((self.weight.view(*self.shape, -1).transpose(1, 2), self.bias.view(self.shape[0], 1, -1)), 1)
        projected = linear(x, weight.flatten(0, 1)).view(-1, self.shape[0], self.condition.shape[1])
        return torch.bmm(projected, self.condition.unsqueeze(2)).squeeze(2)

    def outer_first(self, x: LayerInput) -> Tensor:
        """Return the product by way of (B, in, width): the outer product of x and c."""
        outer = join(x).unsqueeze(2) * self.condition.unsqueeze(1)
        weight = torch.cat((self.weight.view(*self.shape, -1), self.bias.view(*self.shape, 1)), 2)
        return linear(outer.flatten(1), weight.flatten(1))

    def materialize(self) -> Tensor:
        """Return the values (B, out, in)."""
        return linear(self.condition[:, :-1], self.weight, self.bias).view(-1, *self.shape)
