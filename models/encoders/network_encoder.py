"""An image encoder that is a network: what all of them share."""

from abc import abstractmethod
from functools import cached_property

import torch
from torch import Tensor

from models.encoders.backbone import ImageBackbone
from models.encoders.base import ImageEncoder


class NetworkEncoder(ImageEncoder):
    """Runs a frozen `ImageBackbone`; one that is to be trained is had from `load_backbone`."""

    @abstractmethod
    def load_backbone(self) -> ImageBackbone:
        """A fresh copy of the network with its pretrained weights, in eval mode, on the CPU."""

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """Arrays (B, *shape), float32, of pixels (B, 3, size, size), uint8."""
        arrays = self._backbone(pixels.to(self.device, memory_format=torch.channels_last))
        return {name: array.contiguous().cpu() for name, array in arrays.items()}

    @cached_property
    def _backbone(self) -> ImageBackbone:
        return self.load_backbone().to(self.device).to(memory_format=torch.channels_last)
