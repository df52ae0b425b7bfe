"""Inputs of a layer in parts, so that the backward pass skips the parts that need no gradient."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

LayerInput = Tensor | Sequence[Tensor]
"""Rows (B, in), or their parts (B, in_i) in order."""


def join(x: LayerInput) -> Tensor:
    """Return the rows (B, in).

    Example:
        >>> join([torch.zeros(2, 3), torch.zeros(2, 4)]).shape
        torch.Size([2, 7])
    """
    if isinstance(x, Tensor):
        return x
    return x[0] if len(x) == 1 else torch.cat(tuple(x), 1)


def linear(x: LayerInput, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute x·Wᵀ + b, (B, out), for a weight (out, in).

    The gradient of a stored feature is of no use, and as expensive as the layer itself. So a feature is multiplied
    apart from a projection that learns.

    Example:
        >>> x = torch.ones(2, 7)
        >>> linear(x.split([3, 4], 1), torch.ones(5, 7)).equal(linear(x, torch.ones(5, 7)))
        True
    """
    parts = _by_gradient(x)
    if len(parts) == 1:
        return functional.linear(parts[0], weight, bias)
    first, *others = zip(parts, torch.split(weight, [part.shape[1] for part in parts], 1), strict=True)
    y = functional.linear(*first, bias)
    for part, columns in others:
        y = y + functional.linear(part, columns)
    return y


def _by_gradient(x: LayerInput) -> Sequence[Tensor]:
    """Return the parts, joined unless some need a gradient and others do not."""
    if isinstance(x, Tensor):
        return (x,)
    if not torch.is_grad_enabled() or len({part.requires_grad for part in x}) == 1:
        return (join(x),)
    return x
