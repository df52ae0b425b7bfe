"""Square crops of pixels: random crops for training, fixed crops for testing."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Steps of the quasirandom R2 sequence, from the plastic number (Roberts, "The unreasonable effectiveness of
# quasirandom sequences", 2018): its first n points cover the square evenly for any n.
_PLASTIC = 1.324717957244746
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)


def pixels_for(crop: int) -> int:
    """Return the side of the stored images for crops of side `crop`, both in pixels: 8/7 of it.

    Example:
        >>> pixels_for(224)
        256
    """
    return round(crop * 8 / 7)


@dataclass(frozen=True)
class Crop:
    """Window of an image; calling it on pixels (B, C, S, S) returns a view of them, (B, C, size, size).

    Example:
        >>> Crop(top=1, left=2, size=3)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 3, 3])
    """

    top: int
    left: int
    size: int

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the window of pixels (B, C, S, S)."""
        return pixels[..., self.top : self.top + self.size, self.left : self.left + self.size]


def place_crops(size: int, crop: int, count: int) -> list[Crop]:
    """Return `count` fixed windows for images of `size` pixels: the centre first, the others spread evenly.

    Raises:
        ValueError: the crop is larger than the image.

    Example:
        >>> place_crops(256, 224, 2)
        [Crop(top=16, left=16, size=224), Crop(top=8, left=2, size=224)]
    """
    margin = _margin(size, crop)
    fractions = ([(0.5 + index * step) % 1 for step in _STEPS] for index in range(count))
    return [Crop(round(down * margin), round(right * margin), crop) for down, right in fractions]


def random_crops(pixels: Tensor, crop: int, flips: bool) -> Tensor:
    """Cut one random window (B, C, crop, crop) from each image of (B, C, S, S); with `flips` mirror half of them.

    Windows are drawn from torch's CPU generator on every device, so that they depend on its seed alone.

    Raises:
        ValueError: the crop is larger than the image.

    Example:
        >>> random_crops(torch.zeros(2, 3, 256, 256), 224, flips=True).shape
        torch.Size([2, 3, 224, 224])
    """
    margin = _margin(pixels.shape[-1], crop)
    corners = torch.randint(margin + 1, (len(pixels), 2)).tolist()
    mirrored = (torch.rand(len(pixels)) < 0.5).tolist() if flips else [False] * len(pixels)
    windows = [Crop(top, left, crop)(image) for image, (top, left) in zip(pixels, corners, strict=True)]
    return torch.stack([w.flip(-1) if flip else w for w, flip in zip(windows, mirrored, strict=True)])


def _margin(size: int, crop: int) -> int:
    if crop > size:
        raise ValueError(f"crops of {crop} pixels do not fit into images of {size}")
    return size - crop
