"""Stems: modules that turn stored features into the input vector of the target net."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.dropout import Dropout
from models.input_parts import join
from models.standardize import module_key, standardizers


class Stem(nn.Module):
    """Base class of the stems.

    Attributes:
        reads: Names of the features that `forward` takes.
        width: Width of the vector that `forward` returns.
        statistics: Name of the feature that any stem can project in addition to its own: means and deviations of
            every stage's channels.

    Example:
        >>> Stem.statistics
        'image.statistics'
    """

    reads: tuple[str, ...]
    width: int
    statistics: ClassVar[str] = "image.statistics"

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure the statistics that standardise the inputs, on training rows."""
        raise NotImplementedError

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute the vectors (B, width)."""
        raise NotImplementedError

    def forward_parts(self, features: Mapping[str, Tensor]) -> Sequence[Tensor]:
        """Return the vectors in parts (B, width_i), of which those that are features as stored need no gradient."""
        return (self(features),)


class _Reader(Stem):
    """Stem that reads features as float32, optionally standardised and with dropout."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], reads: Sequence[str], standardize: bool, dropout: float
    ) -> None:
        super().__init__()
        self.reads = tuple(reads)
        self.standardizers = standardizers(shapes, self.reads if standardize else ())
        self.dropout = Dropout(dropout)

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure the statistics that standardise the inputs, on training rows."""
        for name in self.reads:
            if module_key(name) in self.standardizers:
                self.standardizers[module_key(name)].calibrate(features[name])  # type: ignore[operator]

    def read(self, features: Mapping[str, Tensor], name: str) -> Tensor:
        """Return one feature (B, *shape), standardised and with dropout."""
        key = module_key(name)
        standardized = key in self.standardizers
        x = self.standardizers[key].read(features) if standardized else features[name].float()  # type: ignore[operator]
        return self.dropout(x)


class Embedding(_Reader):
    """Stem of one vector feature, optionally joined by a linear projection of the image's channel statistics.

    Args:
        shapes: Shapes of the features by name.
        name: The feature, of shape (D,).
        statistics_width: Width of the projection of `image.statistics`; 0 for none.
        standardize: Whether the inputs are standardised by the training rows.
        input_dropout: Probability of dropping an input value in training.

    Example:
        >>> stem = Embedding({"prompt.embedding": (384,)}, "prompt.embedding")
        >>> stem({"prompt.embedding": torch.zeros(2, 384)}).shape
        torch.Size([2, 384])
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        name: str,
        *,
        statistics_width: int = 0,
        standardize: bool = True,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__(shapes, (name, self.statistics) if statistics_width else (name,), standardize, input_dropout)
        (width,) = shapes[name]
        self.width = width + statistics_width
        self.projection = nn.Linear(shapes[self.statistics][0], statistics_width) if statistics_width else None

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute the vectors (B, width)."""
        return join(self.forward_parts(features))

    def forward_parts(self, features: Mapping[str, Tensor]) -> Sequence[Tensor]:
        """Return the embedding and, if there is one, the projection."""
        embedding = self.read(features, self.reads[0])
        if self.projection is None:
            return (embedding,)
        return embedding, self.projection(self.read(features, self.statistics))


class LocalDistortion(_Reader):
    """Local-distortion vector of hyperIQA, from the pooled maps of four stages.

    Each of the first three maps passes through a 1×1 convolution without bias and a linear layer, the last
    through a linear layer alone. The results are concatenated. (hyperIQA convolves before it pools; the two
    commute.) A linear projection of the image's channel statistics can be added, which hyperIQA does not have.

    Args:
        shapes: Shapes of the features by name; each of `levels` is (C, h, w).
        distortion_channels: Channels of the 1×1 convolutions, for all levels but the last.
        distortion_widths: Width of each level's part of the vector; 0 excludes a level.
        statistics_width: Width of the projection of `image.statistics`; 0, as in the paper, for none.
        standardize: Whether the inputs are standardised by the training rows, channel by channel.
        input_dropout: Probability of dropping an input value in training.

    Raises:
        ValueError: the numbers of channels or widths do not fit four levels, or all widths are 0.

    Example:
        >>> stem = LocalDistortion({"image.level4": (32, 1, 1)}, distortion_widths=(0, 0, 0, 8))
        >>> stem({"image.level4": torch.zeros(2, 32, 1, 1)}).shape
        torch.Size([2, 8])
    """

    levels: ClassVar[tuple[str, ...]] = ("image.level1", "image.level2", "image.level3", "image.level4")

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        *,
        distortion_channels: Sequence[int] = (16, 32, 64),
        distortion_widths: Sequence[int] = (16, 16, 16, 176),
        statistics_width: int = 0,
        standardize: bool = True,
        input_dropout: float = 0.0,
    ) -> None:
        if len(distortion_widths) != len(self.levels) or len(distortion_channels) != len(self.levels) - 1:
            raise ValueError("distortion_widths must have four numbers and distortion_channels three")
        widths = {level: width for level, width in zip(self.levels, distortion_widths, strict=True) if width}
        reads = (*widths, *([self.statistics] if statistics_width else []))
        if not reads:
            raise ValueError("distortion_widths and statistics_width leave the target net without an input")
        super().__init__(shapes, reads, standardize, input_dropout)
        channels = dict(zip(self.levels, distortion_channels, strict=False))
        self.parts = nn.ModuleDict(
            {module_key(level): _level(shapes[level], channels.get(level), width) for level, width in widths.items()}
        )
        if statistics_width:
            self.parts[module_key(self.statistics)] = nn.Linear(shapes[self.statistics][0], statistics_width)
        self.width = sum(widths.values()) + statistics_width

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute the vectors (B, width)."""
        return torch.cat([self.parts[module_key(name)](self.read(features, name)) for name in self.reads], 1)


class Joined(Stem):
    """Stem that concatenates the vectors of several stems in order.

    Example:
        >>> shapes = {"prompt.embedding": (4,), "image_prompt.embedding": (6,)}
        >>> stem = Joined(*(Embedding(shapes, name) for name in shapes))
        >>> stem.reads, stem.width
        (('prompt.embedding', 'image_prompt.embedding'), 10)
    """

    def __init__(self, *stems: Stem) -> None:
        super().__init__()
        self.stems = nn.ModuleList(stems)
        self.reads = tuple(dict.fromkeys(name for stem in stems for name in stem.reads))
        self.width = sum(stem.width for stem in stems)

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure the statistics of every stem."""
        for stem in self.stems:
            stem.calibrate(features)  # type: ignore[operator]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute the vectors (B, width)."""
        return join(self.forward_parts(features))

    def forward_parts(self, features: Mapping[str, Tensor]) -> Sequence[Tensor]:
        """Return the parts of every stem."""
        return [part for stem in self.stems for part in stem.forward_parts(features)]  # type: ignore[operator]


def _level(shape: tuple[int, ...], channels: int | None, width: int) -> nn.Sequential:
    n_channels, height, across = shape
    convolution = [] if channels is None else [nn.Conv2d(n_channels, channels, 1, bias=False)]
    n_values = (channels or n_channels) * height * across
    part = nn.Sequential(*convolution, nn.Flatten(), nn.Linear(n_values, width))
    for layer in part:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return part
