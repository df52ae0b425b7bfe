"""Trunks of a hypernet: modules that turn the feature it sees into the condition that its weights are linear in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import pad

from models.dropout import Dropout


@dataclass(frozen=True)
class Condition:
    """Output of a trunk; the generated values are linear in it.

    Attributes:
        vector: (B, width).
        map: (B, width, H, W) if the condition is a map, whose spatial mean is `vector`; else None.
        convolved: channels (B, C, H, W) that convolutions of the map have returned already, by convolution.

    Example:
        >>> Condition(Tensor(2, 8)).map is None
        True
    """

    vector: Tensor
    map: Tensor | None = None
    convolved: Mapping[nn.Module, Tensor] = field(default_factory=dict)

    @cached_property
    def scaled(self) -> Tensor:
        """The vector divided by its width, and a 1 after it: (B, width + 1)."""
        return pad(self.vector / self.vector.shape[1], (0, 1), value=1.0)


class ConditioningTrunk(nn.Module):
    """Base class of the trunks.

    Attributes:
        width: Channels of the condition.
        positions: Positions of the conditioning map, H·W; 0 if there is only a vector.
        mean_square: Approximate E[x²] of a value of the condition at the start of training. The hypernet's
            heads are scaled by it.

    Example:
        >>> [trunk.__name__ for trunk in ConditioningTrunk.__subclasses__()]
        ['VectorTrunk', 'MapTrunk']
    """

    width: int
    positions: int
    mean_square: float

    def forward(self, x: Tensor) -> Condition:
        """Convert the feature (B, *shape) to a condition."""
        raise NotImplementedError


class VectorTrunk(ConditioningTrunk):
    """Trunk for vectors: LayerNorm, then linear → LayerNorm → GELU for each width, then dropout.

    Args:
        shape: (C,) of the feature.
        widths: Widths of the layers; the last is the condition's.
        dropout: Probability of dropping a value of the condition in training.

    Example:
        >>> import torch
        >>> trunk = VectorTrunk((384,), widths=(64, 32), dropout=0.0)
        >>> trunk(torch.zeros(2, 384)).vector.shape
        torch.Size([2, 32])
    """

    mean_square = 0.425  # E[GELU(z)²] of a standard normal z

    def __init__(self, shape: tuple[int, ...], widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.width = widths[-1]
        self.positions = 0
        blocks = [
            nn.Sequential(nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.GELU())
            for n_in, n_out in pairwise((shape[0], *widths))
        ]
        self.blocks = nn.Sequential(nn.LayerNorm(shape[0]), *blocks, Dropout(dropout))

    def forward(self, x: Tensor) -> Condition:
        """Convert the feature (B, C) to a condition."""
        return Condition(self.blocks(x))


class MapTrunk(ConditioningTrunk):
    """Trunk for maps: 1×1 convolution → ReLU for each width, as in hyperIQA, then dropout of whole channels.

    Args:
        shape: (C, H, W) of the feature.
        widths: Channels of the layers; the last are the condition's.
        dropout: Probability of dropping a channel of the condition in training.

    Example:
        >>> import torch
        >>> trunk = MapTrunk((16, 7, 7), widths=(8,), dropout=0.0)
        >>> condition = trunk(torch.zeros(2, 16, 7, 7))
        >>> condition.map.shape, condition.vector.shape
        (torch.Size([2, 8, 7, 7]), torch.Size([2, 8]))
    """

    mean_square = 1.0  # Kaiming's initialisation keeps the mean square of the input, which is standardised

    def __init__(self, shape: tuple[int, ...], widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.width = widths[-1]
        self.positions = shape[1] * shape[2]
        convolutions = [nn.Conv2d(n_in, n_out, 1) for n_in, n_out in pairwise((shape[0], *widths))]
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
        blocks = [nn.Sequential(convolution, nn.ReLU()) for convolution in convolutions]
        self.blocks = nn.Sequential(*blocks, Dropout(dropout, channels=True))

    def forward(self, x: Tensor) -> Condition:
        """Convert the feature (B, C, H, W) to a condition."""
        x = self.blocks(x)
        return Condition(x.mean((2, 3)), x)
