"""Standardisation of a model's inputs by statistics of the training rows."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

_ROWS_AT_ONCE = 256


class Standardizer(nn.Module):
    """Brings every channel of one feature to mean 0 and standard deviation 1 over the training rows.

    A vector (B, C) is standardised element by element, a map (B, C, H, W) channel by channel. Until
    `calibrate` is called it passes its input on. The two statistics are buffers, so that a checkpoint
    carries them.

    Args:
        shape: Shape of the feature without the batch: (C,) or (C, H, W).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        per_channel = (shape[0], *(1 for _ in shape[1:]))
        self.register_buffer("mean", torch.zeros(per_channel))
        self.register_buffer("scale", torch.ones(per_channel))

    @torch.no_grad()
    def calibrate(self, rows: Tensor) -> None:
        """Measure mean and standard deviation on `rows` (N, C, ...), which may be half precision.

        A channel that is constant over the rows keeps the scale 1, so it becomes 0 rather than noise.
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
        # In place where it can be: for a map, a fresh 4 MB result costs as much as a convolution.
        return (x.float() - self.mean).div_(self.scale)


def standardizers(shapes: Mapping[str, tuple[int, ...]], names: tuple[str, ...]) -> nn.ModuleDict:
    """One Standardizer for each named feature, keyed as `module_key` says."""
    return nn.ModuleDict({module_key(name): Standardizer(shapes[name]) for name in names})


def module_key(feature: str) -> str:
    """The feature's name as a key of a ModuleDict, which allows no dots."""
    return feature.replace(".", "_")


def _channels(rows: Tensor) -> Iterator[Tensor]:
    # In double precision and by chunks: the rows may be a memory-mapped half-precision array of many maps.
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        chunk = rows[start : start + _ROWS_AT_ONCE].double()
        yield chunk.transpose(0, 1).flatten(1)
