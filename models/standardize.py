"""Standardisation of a model's inputs by statistics of the training rows."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

_CHUNK_ROWS = 256


class Standardizer(nn.Module):
    """Layer that scales every channel of one feature to mean 0 and standard deviation 1 over the training rows.

    A vector (B, C) is standardised element by element, a map (B, C, H, W) channel by channel. Before
    `calibrate` is called the output equals the input. The two statistics are buffers, so that a checkpoint
    contains them.

    Args:
        shape: Shape of the feature without the batch: (C,) or (C, H, W).
        feature: Name of the feature, for `read`.

    Example:
        >>> standardizer = Standardizer((1,))
        >>> standardizer.calibrate(torch.tensor([[1.0], [3.0]]))
        >>> standardizer(torch.tensor([[5.0]]))
        tensor([[3.]])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, ...], feature: str = "") -> None:
        super().__init__()
        self.feature = feature
        per_channel = (shape[0], *(1 for _ in shape[1:]))
        self.register_buffer("mean", torch.zeros(per_channel))
        self.register_buffer("scale", torch.ones(per_channel))

    @torch.no_grad()
    def calibrate(self, rows: Tensor) -> None:
        """Measure mean and standard deviation on `rows` (N, C, ...), which may be half precision.

        A channel that is constant over the rows keeps the scale 1, so its output is 0 and not amplified noise.
        """
        count = rows.numel() / rows.shape[1]
        mean = sum(chunk.sum(1) for chunk in _channels(rows)) / count
        assert isinstance(mean, Tensor)
        squares = sum((chunk - mean[:, None]).square().sum(1) for chunk in _channels(rows))
        assert isinstance(squares, Tensor)
        scale = (squares / count).sqrt()
        scale[scale < 1e-6 * mean.abs().clamp_min(1.0)] = 1.0
        self.mean.copy_(mean.view_as(self.mean))
        self.scale.copy_(scale.view_as(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise (B, C, ...); the result is float32 of the same shape."""
        # The division is in place: for a map, allocating another 4 MB costs as much as a convolution.
        return (x.float() - self.mean).div_(self.scale)

    def read(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the feature, standardised; a trainer may have standardised it for all steps."""
        standardized = features.get(standardized_name(self.feature))
        return self(features[self.feature]) if standardized is None else standardized


def standardizers(shapes: Mapping[str, tuple[int, ...]], names: tuple[str, ...]) -> nn.ModuleDict:
    """Return a Standardizer for each named feature, under the keys of `module_key`.

    Example:
        >>> list(standardizers({"image.level1": (8, 8, 8)}, ("image.level1",)))
        ['image_level1']
    """
    return nn.ModuleDict({module_key(name): Standardizer(shapes[name], name) for name in names})


def standardized_name(feature: str) -> str:
    """Return the name of a feature's standardised rows in a batch.

    Example:
        >>> standardized_name("image.map")
        'standardized image.map'
    """
    return f"standardized {feature}"


def module_key(feature: str) -> str:
    """Convert the feature's name to a key of a ModuleDict, which must not contain dots.

    Example:
        >>> module_key("image.level1")
        'image_level1'
    """
    return feature.replace(".", "_")


def _channels(rows: Tensor) -> Iterator[Tensor]:
    # In double precision and by chunks: the rows may be a memory-mapped half-precision array of many maps.
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = rows[start : start + _CHUNK_ROWS].double()
        yield chunk.transpose(0, 1).flatten(1)
