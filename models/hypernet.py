"""Hypernetwork: generates weights and biases of a target net from a vector or a map."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from models.generated_layer import FullLayer, GeneratedLayer, LowRankLayer
from models.generated_matrix import BilinearMatrix, GeneratedMatrix, ValueMatrix
from models.hypernet_trunks import Condition, ConditioningTrunk, MapTrunk, VectorTrunk
from models.standardize import Standardizer
from models.unknown_name import UnknownNameError

GENERATIONS = ("residual", "direct", "none")


class HyperNet(nn.Module):
    """Network that generates weights for a list of fully connected layers from one feature of the sample.

    With a map, the weights of all layers but the last are a 3×3 convolution of the conditioning map. It is flattened
    and cut to length, so that any widths fit. The last layer and all biases are linear in the pooled map. With the
    layers of hyperIQA (github SSL92/hyperIQA) this is its generator exactly.
    With a vector, all weights and biases are linear in the conditioning vector.

    Direct generation starts with weights of the scale that the target net's own fan-in requires, for any width of the
    conditioning. Its source is Chang et al., "Principled weight initialization for hypernetworks", ICLR 2020.
    Residual generation starts at exactly 0.

    Args:
        condition: Name of the feature that conditions the weights.
        shape: Its shape without the batch, (C,) or (C, H, W).
        layers: (in, out) of every layer of the target net.
        generation: "direct" if the generated values are the weights, "residual" if they are added to static weights.
        condition_grid: Side of the maps that a vector is reshaped to first, from (C,) to (C / side², side, side);
            0 to keep the vector.
        rank: Rank of every generated weight matrix, at most the smaller side of the layer; 0 for full.
        condition_width: Width of the conditioning, between the feature and the generated values.
        condition_hidden: Widths of hidden layers before that; hyperIQA's are (1024, 512).
        condition_dropout: Probability of dropping a value of the conditioning in training.
        condition_standardize: Whether the feature is standardised by the training rows first.

    Example:
        >>> import torch
        >>> hypernet = HyperNet("prompt.embedding", (384,), layers=[(16, 8), (8, 1)], rank=2)
        >>> generated = hypernet({"prompt.embedding": torch.zeros(5, 384)})
        >>> [tuple(layer.materialize()[0].shape) for layer in generated]
        [(5, 8, 16), (5, 1, 8)]
    """

    def __init__(
        self,
        condition: str,
        shape: tuple[int, ...],
        layers: Sequence[tuple[int, int]],
        *,
        generation: str = "residual",
        rank: int | None = 0,
        condition_grid: int = 0,
        condition_width: int = 32,
        condition_hidden: Sequence[int] = (),
        condition_dropout: float = 0.0,
        condition_standardize: bool = True,
    ) -> None:
        super().__init__()
        if generation not in ("direct", "residual"):
            raise UnknownNameError("way of generation", generation, GENERATIONS)
        rank = rank or 0
        if rank < 0:
            raise ValueError(f"rank is 0 (full) or more, got {rank}")
        self.condition = condition
        self.standardizer = Standardizer(shape, condition) if condition_standardize else None
        self.grid = condition_grid if len(shape) == 1 else 0
        if self.grid:
            shape = _grid_shape(condition, shape, self.grid)
        widths = (*condition_hidden, condition_width)
        trunk = MapTrunk if len(shape) == 3 else VectorTrunk
        self.trunk: ConditioningTrunk = trunk(shape, widths, condition_dropout)
        at_start_zero = generation == "residual"
        self.layers = nn.ModuleList(
            _LowRank(self.trunk, size, min(rank, *size), last=size_index == len(layers) - 1, zero=at_start_zero)
            if rank
            else _Full(self.trunk, size, last=size_index == len(layers) - 1, zero=at_start_zero)
            for size_index, size in enumerate(layers)
        )

    @property
    def n_generated(self) -> int:
        """Number of values generated for one sample."""
        return sum(head.n_values for head in self.modules() if isinstance(head, _Head))

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure the statistics that standardise the condition, on training rows."""
        if self.standardizer is not None:
            self.standardizer.calibrate(features[self.condition])

    def forward(self, features: Mapping[str, Tensor]) -> list[GeneratedLayer]:
        """Generate one set of weights for each sample from `features[condition]`, (B, C) or (B, C, H, W)."""
        x = features[self.condition].float() if self.standardizer is None else self.standardizer.read(features)
        if self.grid:
            x = x.reshape(len(x), -1, self.grid, self.grid)
        condition = self.trunk(x)
        if condition.map is not None:
            condition = replace(condition, convolved=self._convolve(condition.map))
        return [layer(condition) for layer in self.layers]

    def _convolve(self, condition_map: Tensor) -> dict[nn.Module, Tensor]:
        """Run the convolutions of all heads as one: each has only a few channels."""
        heads = [head for head in self.modules() if isinstance(head, _Head) and head.from_map]
        if not heads:
            return {}
        weight = heads[0].gain * torch.cat([head.values.weight for head in heads])
        bias = torch.cat([head.bias for head in heads])
        channels = conv2d(condition_map, weight, bias, padding=1)
        parts = torch.split(channels, [len(head.bias) for head in heads], 1)
        return {head.values: part for head, part in zip(heads, parts, strict=True)}


def _grid_shape(condition: str, shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    channels, rest = divmod(shape[0], side * side)
    if rest:
        raise ValueError(
            f"{condition} has {shape[0]} values, which maps of {side} × {side} do not hold: condition_grid"
        )
    return channels, side, side


class _Head(nn.Module):
    """Layer that generates values of one shape, (B, *shape); linear in the conditioning map or vector.

    The condition is divided by the fan-in, and the initial weights are larger to compensate. Adam moves every weight
    by about the learning rate in a step. With the division a generated value moves about as far as a static one,
    for any width of the conditioning. Without it a 3×3 convolution moves it hundreds of times as far and training
    diverges (Yang et al., "Tensor Programs V", NeurIPS 2021).
    """

    def __init__(self, trunk: ConditioningTrunk, shape: tuple[int, ...], std: float, from_map: bool) -> None:
        super().__init__()
        self.shape = shape
        self.n_values = prod(shape)
        self.from_map = from_map and trunk.positions > 0
        channels = -(-self.n_values // trunk.positions) if self.from_map else self.n_values
        self.values: nn.Conv2d | nn.Linear = (
            nn.Conv2d(trunk.width, channels, 3, padding=1) if self.from_map else nn.Linear(trunk.width, channels)
        )
        fan_in = self.values.weight[0].numel()
        self.gain = 1 / fan_in
        nn.init.normal_(self.values.weight, std=std * sqrt(fan_in / trunk.mean_square))
        assert self.values.bias is not None
        nn.init.zeros_(self.values.bias)

    @property
    def bias(self) -> Tensor:
        assert self.values.bias is not None
        return self.values.bias

    def forward(self, condition: Condition) -> Tensor:
        if not self.from_map:
            return linear(condition.scaled[:, :-1], self.values.weight, self.bias).view(-1, *self.shape)
        channels = condition.convolved.get(self.values)
        if channels is None:
            assert condition.map is not None
            channels = self.values(self.gain * condition.map)
        return channels.flatten(1)[:, : self.n_values].reshape(-1, *self.shape)

    def matrix(self, condition: Condition) -> GeneratedMatrix:
        """Return the values (B, out, in) as a matrix."""
        if self.from_map:
            return ValueMatrix(self(condition))
        n_out, n_in = self.shape
        return BilinearMatrix(condition.scaled, self.values.weight, self.bias, (n_out, n_in))


class _Full(nn.Module):
    """Generator of one layer's weights, value by value."""

    def __init__(self, trunk: ConditioningTrunk, size: tuple[int, int], *, last: bool, zero: bool) -> None:
        super().__init__()
        n_in, n_out = size
        std = 0.0 if zero else 1 / sqrt(n_in)
        self.weight = _Head(trunk, (n_out, n_in), std, from_map=not last)
        self.bias = _Head(trunk, (n_out,), 0.0, from_map=False)

    def forward(self, condition: Condition) -> FullLayer:
        return FullLayer(self.weight.matrix(condition), self.bias(condition))


class _LowRank(nn.Module):
    """Generator of one layer's weights as two thin factors.

    For a residual, which starts at 0, only the left factor starts at 0: if both did, neither would have a gradient.
    """

    def __init__(self, trunk: ConditioningTrunk, size: tuple[int, int], rank: int, *, last: bool, zero: bool) -> None:
        super().__init__()
        n_in, n_out = size
        self.left = _Head(trunk, (n_out, rank), 0.0 if zero else 1 / sqrt(rank), from_map=not last)
        self.right = _Head(trunk, (rank, n_in), 1 / sqrt(n_in), from_map=not last)
        self.bias = _Head(trunk, (n_out,), 0.0, from_map=False)

    def forward(self, condition: Condition) -> LowRankLayer:
        return LowRankLayer(self.left.matrix(condition), self.right.matrix(condition), self.bias(condition))
