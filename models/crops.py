"""Square crops of pixels: random ones to train on, fixed ones to test on."""

from dataclasses import dataclass

import torch
from torch import Tensor

# The first steps of the plane's most evenly spread sequence of points, from the plastic number (Roberts, "The
# unreasonable effectiveness of quasirandom sequences", 2018): any number of its points covers the square well.
_PLASTIC = 1.324717957244746
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)


def pixels_for(crop: int) -> int:
    """Size of the stored images for crops of this size: 256 for 224, and always 8/7 of it."""
    return round(crop * 8 / 7)


@dataclass(frozen=True)
class Crop:
    """One window; called on pixels (B, C, S, S) it gives a view of them, (B, C, size, size)."""

    top: int
    left: int
    size: int

    def __call__(self, pixels: Tensor) -> Tensor:
        """The window of pixels (B, C, S, S)."""
        return pixels[..., self.top : self.top + self.size, self.left : self.left + self.size]


def place_crops(size: int, crop: int, count: int) -> list[Crop]:
    """The same `count` windows for every image of `size` pixels: the centre first, the others spread evenly.

    Raises:
        ValueError: the crop is larger than the image.
    """
    room = _room(size, crop)
    shares = ([(0.5 + place * step) % 1 for step in _STEPS] for place in range(count))
    return [Crop(round(down * room), round(right * room), crop) for down, right in shares]


def random_crops(pixels: Tensor, crop: int, flips: bool) -> Tensor:
    """One random window an image of (B, C, S, S), mirrored half of the time where `flips`; (B, C, crop, crop).

    Drawn from torch's CPU generator, whatever the device, so that a seed decides them.
    """
    room = _room(pixels.shape[-1], crop)
    corners = torch.randint(room + 1, (len(pixels), 2)).tolist()
    mirrored = (torch.rand(len(pixels)) < 0.5).tolist() if flips else [False] * len(pixels)
    windows = [Crop(top, left, crop)(image) for image, (top, left) in zip(pixels, corners, strict=True)]
    return torch.stack([w.flip(-1) if flip else w for w, flip in zip(windows, mirrored, strict=True)])


def _room(size: int, crop: int) -> int:
    if crop > size:
        raise ValueError(f"crops of {crop} pixels do not fit into images of {size}")
    return size - crop
