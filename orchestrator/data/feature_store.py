"""The feature store: outputs of frozen encoders for a data set, and its decoded images, computed once.

A folder holds the arrays of one encoder for one sequence of images or prompts. Its name is `<encoder>-<hash>`; the
hash covers the encoder's identity (weights and transform) and the sequence. Scores, generators and splits may
therefore change without a new computation. `image.pixels`, the images for fine-tuning, belongs to no encoder: its
identity is the transform and the size.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from orchestrator.core.errors import InputError
from orchestrator.data.array_files import ArrayFolder, Produce, StoredArray
from orchestrator.data.cache_folder import cache_dir
from orchestrator.data.dataset import Dataset
from orchestrator.data.extraction import compose, decode_images, encode_images, encode_pairs, encode_prompts
from orchestrator.data.feature_set import Feature, FeatureSet
from orchestrator.data.progress import Progress, silent

if TYPE_CHECKING:
    from models.encoders import (
        ComposedEncoder,
        Encoder,
        ImageEncoder,
        ImagePromptEncoder,
        JointEncoder,
        PromptEncoder,
    )

PIXELS = "image.pixels"
_SIMPLE = ("image", "prompt", "criteria")
_ORDER = (*_SIMPLE, "image_prompt")
_ENCODED_AS = {"criteria": "prompt"}


class FeatureStore:
    """Features on disk, shared by all sweeps and processes that see the folder.

    Args:
        root: the folder; by default `features` in the cache.
        device: where encoders run when something has to be computed.
        build: makes an encoder by name; by default the registry of `models.encoders`.
    """

    def __init__(
        self,
        root: Path | None = None,
        device: str = "cpu",
        build: Callable[[str], Encoder] | None = None,
    ) -> None:
        self.root = (root or cache_dir() / "features").absolute()  # other processes may stand elsewhere
        self._device = device
        self._build = build

    def get(
        self,
        dataset: Dataset,
        encoders: Mapping[str, str],
        features: Iterable[str],
        progress: Progress | None = None,
    ) -> FeatureSet:
        """Return the features of every row, from the disk if they are there; otherwise compute and store them.

        Args:
            dataset: the rows.
            encoders: kind → name of the encoder; kinds that no feature needs are ignored.
            features: names such as `image.level1`, `prompt.embedding`, `image_prompt.embedding`; `image.pixels` are
                the decoded images, with room for crops of the image encoder's size.
            progress: called while something is computed.

        Raises:
            InputError: a feature that these encoders do not compute, or a full disk.
        """
        return self._get(encoders, features, _Request(self.root, dataset, progress or silent))

    def stored(self, dataset: Dataset, encoders: Mapping[str, str], features: Iterable[str]) -> FeatureSet | None:
        """Return the same features if all of them are on the disk, otherwise None; nothing is computed.

        Raises:
            InputError: a feature that these encoders do not compute.
        """
        try:
            return self._get(encoders, features, _Request(self.root, dataset, silent, compute=False))
        except _NotStored:
            return None

    def _get(self, encoders: Mapping[str, str], features: Iterable[str], request: _Request) -> FeatureSet:
        wanted = list(dict.fromkeys(features))
        encoded = [name for name in wanted if name != PIXELS]
        built = self._built(encoded, encoders)
        _check(encoded, built)
        for kind in _ORDER:
            if kind in built:
                request.ensure(kind, built[kind])
        if PIXELS in wanted:
            built = self._built([PIXELS], encoders) | built
            request.ensure_pixels(cast("ImageEncoder", built["image"]))
        identity = {kind: encoder.identity for kind, encoder in built.items()}
        return FeatureSet({name: request.found[name] for name in wanted}, identity)

    def shapes(self, encoders: Mapping[str, str], features: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all arrays of the encoders that these features need; nothing is encoded.

        Args:
            encoders: kind → name of the encoder; kinds that no feature needs are ignored.
            features: names such as `image.level1`.

        Raises:
            InputError: a feature that these encoders do not compute, or an encoder whose weights are missing.
        """
        wanted = list(features)
        return _check(wanted, self._built(wanted, encoders))

    def _built(self, features: Iterable[str], names: Mapping[str, str]) -> dict[str, Encoder]:
        """Return the encoders that the features need, directly or as parts of a composed one, by kind."""
        if self._build is None:
            from models.encoders import build_encoder

            self._build = build_encoder
        built: dict[str, Encoder] = {}
        needed = list(features)
        for feature in needed:
            kind = feature.partition(".")[0]
            if kind in built:
                continue
            if kind not in names:
                raise InputError(f"The feature '{feature}' needs a '{kind}' encoder; none is chosen.")
            try:
                encoder = self._build(names[kind]).to(self._device)
                if encoder.kind != _ENCODED_AS.get(kind, kind):
                    raise InputError(f"{names[kind]} is an encoder of the kind '{encoder.kind}', not '{kind}'.")
                _ = encoder.identity  # only weights that are here have one
            except ValueError as error:
                raise InputError(str(error)) from None
            built[kind] = encoder
            needed.extend(getattr(encoder, "needs", ()))
        return built


def _check(wanted: Iterable[str], built: Mapping[str, Encoder]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every feature of the encoders.

    Raises:
        InputError: a wanted feature that they do not compute.
    """
    given = _shapes(built)
    for name in wanted:
        if name not in given:
            kind = name.partition(".")[0]
            same = ", ".join(other for other in given if other.startswith(f"{kind}."))
            raise InputError(f"The encoder {built[kind].name} does not give '{name}'; it gives {same}.")
    return given


def _shapes(built: Mapping[str, Encoder]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every feature of the encoders, known before anything is computed.

    Raises:
        InputError: the parts of a composed encoder do not match.
    """
    simple: dict[str, Mapping[str, tuple[int, ...]]] = {}
    for kind in _SIMPLE:
        if kind in built:
            simple[kind] = cast("ImageEncoder | PromptEncoder", built[kind]).shapes
    shapes = {f"{kind}.{name}": shape for kind, arrays in simple.items() for name, shape in arrays.items()}
    for kind in built.keys() - simple.keys():
        encoder = cast("ImagePromptEncoder", built[kind])
        try:
            made = encoder.shapes_for(simple.get("image", {}), simple.get("prompt", {}))
        except ValueError as error:
            raise InputError(str(error)) from None
        for need in encoder.needs:
            if need not in shapes:
                raise InputError(f"The encoder {encoder.name} needs '{need}', which the others do not give.")
        shapes.update((f"{kind}.{name}", shape) for name, shape in made.items())
    return shapes


class _NotStored(Exception):
    """Error for a feature that is not on the disk."""


class _Request:
    """A request for one data set's features, found or computed kind by kind."""

    def __init__(self, root: Path, dataset: Dataset, progress: Progress, compute: bool = True) -> None:
        self.found: dict[str, Feature] = {}
        self._compute = compute
        self._root = root
        self._dataset = dataset
        self._progress = progress
        self._identities: dict[str, str] = {}

    def ensure_pixels(self, encoder: ImageEncoder) -> None:
        """Find or decode the images, at the size that leaves crops for this encoder some room."""
        from models.crops import pixels_for
        from models.encoders.preprocessing import TRANSFORM

        size = pixels_for(encoder.size)
        digests = list(self._dataset.table["digest"])
        folder = self._folder(f"pixels@{size}", f"pixels 1; {TRANSFORM}, {size}", digests, len(digests))
        produce = partial(decode_images, size, self._dataset.images)
        self.found[PIXELS] = Feature(self._arrays(folder, produce, f"images of {size} pixels")["pixels"])

    def ensure(self, kind: str, encoder: Encoder) -> None:
        """Find or compute the arrays of one kind; composed ones come after what they are made of."""
        from models.encoders import JointEncoder

        self._identities[kind] = encoder.identity
        if kind == "image":
            self._ensure_image(cast("ImageEncoder", encoder))
        elif kind == "prompt":
            self._ensure_texts(kind, cast("PromptEncoder", encoder), self._dataset.prompts)
        elif kind == "criteria":
            self._ensure_texts(kind, cast("PromptEncoder", encoder), self._dataset.criteria)
        elif isinstance(encoder, JointEncoder):
            self._ensure_joint(encoder)
        else:
            self._ensure_composed(cast("ComposedEncoder", encoder))

    def _ensure_image(self, encoder: ImageEncoder) -> None:
        digests = list(self._dataset.table["digest"])
        folder = self._folder(encoder.name, encoder.identity, digests, len(digests))
        produce = partial(encode_images, encoder, self._dataset.images)
        what = f"image features by {encoder.name}"
        for name, array in self._arrays(folder, produce, what).items():
            self.found[f"image.{name}"] = Feature(array)

    def _ensure_texts(self, kind: str, encoder: PromptEncoder, of_rows: Sequence[str]) -> None:
        import numpy as np

        distinct, rows = np.unique(np.array(of_rows, dtype=object), return_inverse=True)
        texts = [str(text) for text in distinct]
        folder = self._folder(encoder.name, encoder.identity, texts, len(texts))
        produce = partial(encode_prompts, encoder, texts)
        what = f"{kind} features by {encoder.name}"
        for name, array in self._arrays(folder, produce, what).items():
            self.found[f"{kind}.{name}"] = Feature(array, rows.astype(np.int64))

    def _ensure_joint(self, encoder: JointEncoder) -> None:
        prompts = list(self._dataset.prompts)
        content = [*self._dataset.table["digest"], *prompts]
        folder = self._folder(encoder.name, encoder.identity, content, len(self._dataset))
        produce = partial(encode_pairs, encoder, self._dataset.images, prompts)
        what = f"image-prompt features by {encoder.name}"
        for name, array in self._arrays(folder, produce, what).items():
            self.found[f"image_prompt.{name}"] = Feature(array)

    def _ensure_composed(self, encoder: ComposedEncoder) -> None:
        parts: dict[str, dict[str, Feature]] = {"image": {}, "prompt": {}}
        for need in encoder.needs:
            kind, _, array_name = need.partition(".")
            parts[kind][array_name] = self.found[need]
        made_of = [self._identities[kind] for kind, part in parts.items() if part]
        identity = json.dumps([encoder.identity, *made_of])
        content = [*self._dataset.table["digest"], *self._dataset.prompts]
        folder = self._folder(encoder.name, identity, content, len(self._dataset))
        produce = partial(compose, encoder, parts["image"], parts["prompt"], len(self._dataset))
        what = f"image-prompt features by {encoder.name}"
        for name, array in self._arrays(folder, produce, what).items():
            self.found[f"image_prompt.{name}"] = Feature(array)

    def _arrays(self, folder: ArrayFolder, produce: Produce, what: str) -> dict[str, StoredArray]:
        if self._compute:
            return folder.ensure(produce, self._progress, what)
        if (stored := folder.open()) is None:
            raise _NotStored
        return stored

    def _folder(self, name: str, identity: str, content: Sequence[str], rows: int) -> ArrayFolder:
        key = hashlib.sha256(json.dumps([identity, *content]).encode()).hexdigest()
        readable = re.sub(r"[^A-Za-z0-9._@-]+", "-", name)
        return ArrayFolder(self._root / f"{readable}-{key[:12]}", f"{identity}; content {key}", rows)
