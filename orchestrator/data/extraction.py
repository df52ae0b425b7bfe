"""Encoding of a data set, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.core.errors import InputError
from orchestrator.data.array_files import CHUNK_ROWS, Block
from orchestrator.data.decode_image import UnusableImage, open_image
from orchestrator.data.feature_set import Feature
from orchestrator.data.parallel_map import parallel_map

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from models.encoders import ComposedEncoder, Encoder, ImageEncoder, JointEncoder, PromptEncoder

_PROMPTS = 32
# Small batches stay in the processor's caches: four images take less time than eight. A GPU wants larger ones.
_IMAGES_ON_CPU, _IMAGES_ON_GPU = 4, 64


def encode_images(encoder: ImageEncoder, paths: Sequence[str], start: int = 0) -> Iterator[Block]:
    """Yield blocks of the arrays of `paths[start:]`, in order.

    Raises:
        InputError: an image that was readable when the data set was checked can no longer be read.
    """

    def encode(rows: slice) -> Block:
        return _numpy(encoder.encode(_pixels(encoder, paths[rows])))

    return parallel_map(encode, batch_size(encoder), range(start, len(paths)))


def encode_pairs(
    encoder: JointEncoder, paths: Sequence[str], prompts: Sequence[str], start: int = 0
) -> Iterator[Block]:
    """Yield blocks of the arrays of `paths[start:]` together with their prompts, in order.

    Raises:
        InputError: an image that was readable when the data set was checked can no longer be read.
    """

    def encode(rows: slice) -> Block:
        return _numpy(encoder.encode(_pixels(encoder, paths[rows]), prompts[rows]))

    return parallel_map(encode, batch_size(encoder), range(start, len(paths)))


def decode_images(size: int, paths: Sequence[str], start: int = 0) -> Iterator[Block]:
    """Yield blocks of `pixels` (B, 3, size, size) uint8 of `paths[start:]`, in order; raise as `encode_images` does."""
    from models.encoders.preprocessing import to_pixels

    def decode(rows: slice) -> Block:
        return {"pixels": np.stack([_opened(path, partial(to_pixels, size=size)) for path in paths[rows]])}

    return parallel_map(decode, _IMAGES_ON_CPU, range(start, len(paths)))


def encode_prompts(encoder: PromptEncoder, prompts: Sequence[str], start: int = 0) -> Iterator[Block]:
    """Yield blocks of the arrays of `prompts[start:]`."""
    for first in range(start, len(prompts), _PROMPTS):
        yield _numpy(encoder.encode(prompts[first : first + _PROMPTS]))


def compose(
    encoder: ComposedEncoder,
    image: Mapping[str, Feature],
    prompt: Mapping[str, Feature],
    rows: int,
    start: int = 0,
) -> Iterator[Block]:
    """Yield blocks of the arrays that a composed encoder computes from stored ones.

    Args:
        encoder: the composed encoder.
        image, prompt: its inputs, by array name.
        rows: of the data set.
        start: the first row.
    """
    import torch

    parts = [{name: feature.read() for name, feature in part.items()} for part in (image, prompt)]
    for first in range(start, rows, CHUNK_ROWS):
        chunk: list[dict[str, Tensor]] = [
            {name: torch.from_numpy(values[first : first + CHUNK_ROWS]).float() for name, values in part.items()}
            for part in parts
        ]
        yield _numpy(encoder.compose(*chunk))


def batch_size(encoder: Encoder) -> int:
    """Return how many images the encoder takes at once."""
    import torch

    return _IMAGES_ON_CPU if torch.device(encoder.device).type == "cpu" else _IMAGES_ON_GPU


def _pixels(encoder: ImageEncoder | JointEncoder, paths: Sequence[str]) -> Tensor:
    import torch

    return torch.from_numpy(np.stack([_opened(path, encoder.preprocess) for path in paths]))


def _opened(path: str, preprocess: Callable[[Image.Image], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    try:
        return preprocess(open_image(path))
    except UnusableImage as unusable:
        raise InputError(f"The image {path} was fine when it was checked and is {unusable} now.") from None
    except Exception as error:  # the encoder's own preprocessing, which the check does not know
        raise InputError(f"The encoder cannot preprocess the image {path}: {type(error).__name__}: {error}.") from error


def _numpy(arrays: Mapping[str, Tensor]) -> dict[str, NDArray[np.floating[Any]]]:
    return {name: array.detach().cpu().numpy() for name, array in arrays.items()}
