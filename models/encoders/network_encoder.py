"""Base class of the image encoders that run a network."""

from abc import abstractmethod
from functools import cached_property

import torch
from torch import Tensor

from models.encoders.backbone import ImageBackbone
from models.encoders.base import ImageEncoder


class NetworkEncoder(ImageEncoder):
    """Image encoder that runs a frozen `ImageBackbone`; `load_backbone` returns a trainable copy.

    Example:
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("efficientnet_lite0")
        >>> isinstance(encoder, NetworkEncoder), encoder.load_backbone().training
        (True, False)
    """

    @abstractmethod
    def load_backbone(self) -> ImageBackbone:
        """Return a new copy of the network with its pretrained weights, in eval mode, on the CPU."""

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return arrays (B, *shape), float32, of pixels (B, 3, size, size), uint8."""
        arrays = self._backbone(pixels.to(self.device, memory_format=torch.channels_last))
        return {name: array.contiguous().cpu() for name, array in arrays.items()}

    @cached_property
    def _backbone(self) -> ImageBackbone:
        return self.load_backbone().to(self.device).to(memory_format=torch.channels_last)
