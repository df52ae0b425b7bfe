"""What an encoder is: one small abstract class for each kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.encoders.preprocessing import to_pixels


class Encoder(ABC):
    """Base of all encoders. Making one costs nothing: weights load when something is first encoded.

    Attributes:
        kind: "image", "prompt" or "image_prompt"; a feature is named `<kind>.<array>`.
        name: The name it was asked for by.
        device: Where it runs; results are on the CPU wherever that is.
    """

    kind: ClassVar[str]
    name: str
    device: torch.device = torch.device("cpu")

    @property
    @abstractmethod
    def identity(self) -> str:
        """Name, hash of the weights, and transform: changes whenever the arrays would.

        Raises:
            MissingWeightsError: The weights are not on this machine and cannot be downloaded.
        """

    def to(self, device: torch.device | str) -> Self:
        """Run on `device` from now on; call it before anything is encoded."""
        self.device = torch.device(device)
        return self


class ImageEncoder(Encoder):
    """Turns images into arrays.

    Every image encoder gives these, whatever its input size:
    `map` (C, 7, 7), the deepest map; `level1` … `level4`, the pooled maps of stages at strides 4, 8, 16 and
    32, (C, 8, 8), (C, 4, 4), (C, 2, 2), (C, 1, 1); `statistics` (D,), spatial means and standard deviations
    of the channels of all stages; and, where it was trained on ImageNet, `probs` (1000,).

    Attributes:
        size: Height and width of its input in pixels.
        shapes: Shape of each array by its name.
    """

    kind = "image"
    size: int
    shapes: Mapping[str, tuple[int, ...]]

    def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
        """Pixels (3, size, size) of one opened image, ready for `encode`."""
        return to_pixels(image, self.size)

    @abstractmethod
    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """Arrays (B, *shape), float32, of a batch of pixels (B, 3, size, size), uint8."""


class PromptEncoder(Encoder):
    """Turns prompts into `embedding` (D,).

    Attributes:
        shapes: Shape of each array by its name.
    """

    kind = "prompt"
    shapes: Mapping[str, tuple[int, ...]]

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Arrays (B, *shape), float32, of a batch of prompts."""


class ImagePromptEncoder(Encoder):
    """Makes arrays about an image and its prompt together; one of the two below.

    Attributes:
        needs: Names of the features it is composed of; none where it sees image and prompt for itself.
    """

    kind = "image_prompt"
    needs: tuple[str, ...] = ()

    @abstractmethod
    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Shape of each array, given those of the image's and the prompt's arrays that it needs.

        Raises:
            ValueError: It cannot be composed of these.
        """


class ComposedEncoder(ImagePromptEncoder):
    """Makes its arrays from the stored arrays of image and prompt."""

    @abstractmethod
    def compose(self, image: Mapping[str, Tensor], prompt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Arrays (B, *shape), float32, of the image's and the prompt's arrays, (B, …) row by row."""


class JointEncoder(ImagePromptEncoder):
    """A network that reads pixels and prompt together.

    Attributes:
        shapes: Shape of each array by its name.
    """

    shapes: Mapping[str, tuple[int, ...]]

    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Its own shapes, whatever the other encoders give."""
        return dict(self.shapes)

    @abstractmethod
    def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
        """Pixels (3, H, W) of one opened image, ready for `encode`."""

    @abstractmethod
    def encode(self, pixels: Tensor, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Arrays (B, *shape), float32, of pixels (B, 3, H, W), uint8, and as many prompts; from several threads."""
