"""Generated layers: one set of weights for every sample, returned by a hypernet for each layer of a target net."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.generated_matrix import GeneratedMatrix
from models.input_parts import LayerInput


class GeneratedLayer(Protocol):
    """Fully connected layer with weights of its own for every sample of the batch.

    Example:
        >>> from models.generated_matrix import ValueMatrix
        >>> layer: GeneratedLayer = FullLayer(ValueMatrix(torch.zeros(2, 3, 4)), bias=torch.ones(2, 3))
        >>> layer.apply(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def apply(self, x: LayerInput) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        ...

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Return weights (B, out, in) and biases (B, out), for inspection and tests."""
        ...


@dataclass(frozen=True)
class FullLayer:
    """Layer whose weights are one generated matrix.

    Attributes:
        weight: of shape (out, in).
        bias: (B, out).

    Example:
        >>> from models.generated_matrix import ValueMatrix
        >>> layer = FullLayer(ValueMatrix(torch.zeros(2, 3, 4)), bias=torch.ones(2, 3))
        >>> layer.apply(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    weight: GeneratedMatrix
    bias: Tensor

    def apply(self, x: LayerInput) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        return self.weight.times(x) + self.bias

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Return weights (B, out, in) and biases (B, out)."""
        return self.weight.materialize(), self.bias


@dataclass(frozen=True)
class LowRankLayer:
    """Layer whose weights are a product of two thin matrices; `apply` never computes the product.

    Attributes:
        left: of shape (out, rank).
        right: of shape (rank, in).
        bias: (B, out).

    Example:
        >>> from models.generated_matrix import ValueMatrix
        >>> left, right = ValueMatrix(torch.zeros(2, 3, 1)), ValueMatrix(torch.zeros(2, 1, 4))
        >>> layer = LowRankLayer(left, right, torch.zeros(2, 3))
        >>> layer.apply(torch.zeros(2, 4)).shape, layer.materialize()[0].shape
        (torch.Size([2, 3]), torch.Size([2, 3, 4]))
    """

    left: GeneratedMatrix
    right: GeneratedMatrix
    bias: Tensor

    def apply(self, x: LayerInput) -> Tensor:
        """Map (B, in) to (B, out), each row by its own weights."""
        return self.left.times(self.right.times(x)) + self.bias

    def materialize(self) -> tuple[Tensor, Tensor]:
        """Return weights (B, out, in) and biases (B, out)."""
        return torch.bmm(self.left.materialize(), self.right.materialize()), self.bias
