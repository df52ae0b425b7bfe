"""Parameters of a model that lie one after the other in memory, so that an update of all is one operation."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class FlatParameters:
    """Parameters moved into one tensor, of which they are views from then on.

    A model here has a few dozen small parameters. An operation on each costs more in calls than in arithmetic.

    Attributes:
        names: of the parameters.
        parameters: in the order of the names; of one device and data type.
        values: (n,), all parameters.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> flat = FlatParameters(dict(layer.named_parameters()))
        >>> flat.values.zero_(), layer.bias.item()
        (tensor([0., 0., 0.]), 0.0)
    """

    def __init__(self, named: Mapping[str, nn.Parameter]) -> None:
        self.names = list(named)
        self.parameters = list(named.values())
        self._sizes = [parameter.numel() for parameter in self.parameters]
        self.values = self.of([parameter.detach() for parameter in self.parameters])
        for parameter, view in zip(self.parameters, self.views(self.values), strict=True):
            parameter.data = view

    def of(self, tensors: Sequence[Tensor], out: Tensor | None = None) -> Tensor:
        """Return tensors of the parameters' shapes as one, (n,), in the order in which the parameters lie in memory."""
        return torch.cat([_in_memory_order(t, p) for t, p in zip(tensors, self.parameters, strict=True)], out=out)

    def views(self, values: Tensor) -> list[Tensor]:
        """Return views of a tensor (n,) with the parameters' shapes and layouts."""
        parts = torch.split(values, self._sizes)
        return [
            part.as_strided(p.shape, p.stride(), part.storage_offset())
            for part, p in zip(parts, self.parameters, strict=True)
        ]


def _in_memory_order(tensor: Tensor, parameter: Tensor) -> Tensor:
    if tensor.stride() != parameter.stride():
        tensor = torch.empty_like(parameter).copy_(tensor)
    # Dense in some layout, such as channels last, so that its values follow one another.
    return tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())
