"""Abstract classes of encoders, one for each kind."""

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
    """Base class of all encoders. Creating an encoder is cheap: the first call of `encode` loads the weights.

    Attributes:
        kind: "image", "prompt" or "image_prompt"; a feature is named `<kind>.<array>`.
        name: The name that `build_encoder` was called with.
        device: Device that the encoder runs on; results are on the CPU for every device.

    Example:
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("minilm")
        >>> encoder.kind, encoder.name, encoder.to("cpu") is encoder
        ('prompt', 'minilm', True)
    """

    kind: ClassVar[str]
    name: str
    device: torch.device = torch.device("cpu")

    @property
    @abstractmethod
    def identity(self) -> str:
        """Name, hash of the weights, and transform; it changes if the arrays change.

        Raises:
            MissingWeightsError: The weights are not on this machine and cannot be downloaded.
        """

    def to(self, device: torch.device | str) -> Self:
        """Select the device and return the encoder; call it before the first `encode`."""
        self.device = torch.device(device)
        return self


class ImageEncoder(Encoder):
    """Encoder of images.

    Every image encoder returns these arrays at every input size:

    - `map`: the deepest map, (C, 7, 7).
    - `level1` … `level4`: pooled maps of stages at strides 4, 8, 16, 32, (C, 8, 8), (C, 4, 4), (C, 2, 2), (C, 1, 1).
    - `statistics`: spatial means and standard deviations of the channels of all stages, (D,).
    - `probs`: probabilities of the ImageNet classes, (1000,), if the network was trained on ImageNet.

    Attributes:
        size: Height and width of the input in pixels.
        shapes: Shape of each array by its name.

    Example:
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("efficientnet_lite0")
        >>> isinstance(encoder, ImageEncoder), encoder.size, encoder.shapes["map"]
        (True, 224, (320, 7, 7))
        >>> encoder.preprocess(Image.new("RGB", (512, 384))).shape
        (3, 224, 224)
    """

    kind = "image"
    size: int
    shapes: Mapping[str, tuple[int, ...]]

    def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels (3, size, size) of one RGB image, the input of `encode`."""
        return to_pixels(image, self.size)

    @abstractmethod
    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return arrays (B, *shape), float32, of a batch of pixels (B, 3, size, size), uint8."""


class PromptEncoder(Encoder):
    """Encoder of prompts; its array is `embedding` (D,).

    Attributes:
        shapes: Shape of each array by its name.

    Example:
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("minilm")
        >>> isinstance(encoder, PromptEncoder), encoder.shapes
        (True, {'embedding': (384,)})
    """

    kind = "prompt"
    shapes: Mapping[str, tuple[int, ...]]

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return arrays (B, *shape), float32, of a batch of prompts."""


class ImagePromptEncoder(Encoder):
    """Encoder of an image together with its prompt: a `ComposedEncoder` or a `JointEncoder`.

    Attributes:
        needs: Names of the features that a composed encoder reads; empty for a joint encoder.

    Example:
        >>> from models.encoders import build_encoder
        >>> build_encoder("conse").needs
        ('image.level4', 'image.probs', 'prompt.embedding')
    """

    kind = "image_prompt"
    needs: tuple[str, ...] = ()

    @abstractmethod
    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, given the shapes of the image's and the prompt's arrays in `needs`.

        Raises:
            ValueError: The encoder cannot be composed of these.
        """


class ComposedEncoder(ImagePromptEncoder):
    """Encoder that computes its arrays from the stored arrays of image and prompt.

    Example:
        >>> from models.encoders import build_encoder
        >>> isinstance(build_encoder("conse"), ComposedEncoder)
        True
    """

    @abstractmethod
    def compose(self, image: Mapping[str, Tensor], prompt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return arrays (B, *shape), float32, of the image's and the prompt's arrays, (B, …) row by row."""


class JointEncoder(ImagePromptEncoder):
    """Encoder whose network reads pixels and prompt together.

    Attributes:
        shapes: Shape of each array by its name.

    Example:
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("blip")
        >>> isinstance(encoder, JointEncoder), encoder.needs
        (True, ())
    """

    shapes: Mapping[str, tuple[int, ...]]

    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Return the encoder's own shapes, which do not depend on the other encoders."""
        return dict(self.shapes)

    @abstractmethod
    def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels (3, H, W) of one RGB image, the input of `encode`."""

    @abstractmethod
    def encode(self, pixels: Tensor, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return arrays (B, *shape), float32, of pixels (B, 3, H, W), uint8, and B prompts; thread-safe."""
