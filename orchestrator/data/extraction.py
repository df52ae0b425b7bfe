"""Running encoders over a dataset, block by block."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.data.arrays import CHUNK_ROWS, Block
from orchestrator.data.features import Feature
from orchestrator.data.images import UnusableImage, open_image
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from models.encoders import ComposedEncoder, ImageEncoder, PromptEncoder

BATCH = 32
_BATCHES_AHEAD = 2


def encode_images(encoder: ImageEncoder, paths: Sequence[str], start: int = 0) -> Iterator[Block]:
    """Blocks of the arrays of `paths[start:]`; the next images are decoded while the encoder works.

    Raises:
        InputError: an image that could be read when the dataset was checked, and cannot any more.
    """
    import torch

    batches = iter([paths[first : first + BATCH] for first in range(start, len(paths), BATCH)])
    ahead: deque[list[Future[NDArray[np.uint8]]]] = deque()
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        while True:
            while len(ahead) <= _BATCHES_AHEAD and (batch := next(batches, None)) is not None:
                ahead.append([pool.submit(_pixels, encoder, path) for path in batch])
            if not ahead:
                return
            pixels = np.stack([future.result() for future in ahead.popleft()])
            yield _numpy(encoder.encode(torch.from_numpy(pixels)))
    finally:
        pool.shutdown(cancel_futures=True)


def encode_prompts(encoder: PromptEncoder, prompts: Sequence[str], start: int = 0) -> Iterator[Block]:
    """Blocks of the arrays of `prompts[start:]`."""
    for first in range(start, len(prompts), BATCH):
        yield _numpy(encoder.encode(prompts[first : first + BATCH]))


def compose(
    encoder: ComposedEncoder,
    image: Mapping[str, Feature],
    prompt: Mapping[str, Feature],
    rows: int,
    start: int = 0,
) -> Iterator[Block]:
    """Blocks of the arrays that a composed encoder makes of stored ones.

    Args:
        encoder: makes them.
        image, prompt: what it needs, by array name.
        rows: of the dataset.
        start: the first row wanted.
    """
    import torch

    parts = [{name: feature.read() for name, feature in part.items()} for part in (image, prompt)]
    for first in range(start, rows, CHUNK_ROWS):
        chunk: list[dict[str, Tensor]] = [
            {name: torch.from_numpy(values[first : first + CHUNK_ROWS]).float() for name, values in part.items()}
            for part in parts
        ]
        yield _numpy(encoder.compose(*chunk))


def _pixels(encoder: ImageEncoder, path: str) -> NDArray[np.uint8]:
    try:
        return encoder.preprocess(open_image(path))
    except UnusableImage as unusable:
        raise InputError(f"The image {path} was fine when it was checked and is {unusable} now.") from None


def _numpy(arrays: Mapping[str, Tensor]) -> dict[str, NDArray[np.floating[Any]]]:
    return {name: array.detach().cpu().numpy() for name, array in arrays.items()}
