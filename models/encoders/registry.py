"""The registry of encoders: plain functions that build one, found by kind and name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from models.encoders.base import Encoder, ImageEncoder, ImagePromptEncoder, PromptEncoder
from models.unknown_name import UnknownNameError

KINDS = tuple(cls.kind for cls in (ImageEncoder, PromptEncoder, ImagePromptEncoder))
_SIZE_STEP = 32

Builder = TypeVar("Builder", bound=Callable[..., Encoder])


@dataclass(frozen=True)
class _Entry:
    kind: str
    build: Callable[..., Encoder]
    argument: str

    @property
    def shown(self) -> str:
        name = self.build.__name__
        return f"{name}:{self.argument}" if self.argument else name


_ENTRIES: dict[str, _Entry] = {}


def register_encoder(kind: str, argument: str = "") -> Callable[[Builder], Builder]:
    """Register the decorated function under its own name; a kind's first is its default.

    The function of an image encoder takes `size`, in pixels, with a default; others do not.

    Args:
        kind: of the encoder.
        argument: what a name has to be completed by, as in `timm:NAME`; the function takes it first.
    """

    def register(builder: Builder) -> Builder:
        _ENTRIES[builder.__name__] = _Entry(kind, builder, argument)
        return builder

    return register


def list_encoders(kind: str) -> list[str]:
    """Names of the encoders of a kind, the default first; `timm:NAME` is to be completed."""
    if kind not in KINDS:
        raise UnknownNameError("kind of encoder", kind, KINDS)
    return [entry.shown for entry in _ENTRIES.values() if entry.kind == kind]


def default_encoder(kind: str) -> str:
    """Name of the encoder of a kind that is used where none is asked for."""
    return list_encoders(kind)[0]


def build_encoder(name: str) -> Encoder:
    """Make an encoder by name.

    Some names are completed by what to load, `timm:resnet18`, `sentence:FOLDER`; an image encoder's may end
    with its input size, `efficientnet_lite0@384`, `timm:resnet18@384`.

    Raises:
        UnknownNameError: No encoder has that name.
        ValueError: What completes it is missing or makes no encoder, the size is not a multiple of 32 pixels, or
            the encoder is not of images.
    """
    bare = re.split("[:@]", name, maxsplit=1)[0]
    if bare not in _ENTRIES:
        raise UnknownNameError("encoder", bare, [entry.shown for entry in _ENTRIES.values()])
    entry, rest = _ENTRIES[bare], name[len(bare) :]
    options = {}
    sized = entry.kind == ImageEncoder.kind or not rest.startswith(":")  # a folder's name may have an @
    if sized and "@" in rest:
        rest, _, size = rest.rpartition("@")
        options["size"] = _size(name, entry.kind, size)
    argument = rest[1:]
    if entry.argument and not argument:
        raise ValueError(f"'{name}' does not say what to load: write {entry.shown}")
    if argument and not entry.argument:
        raise ValueError(f"'{name}' is not an encoder; {bare} takes nothing after a colon")
    return entry.build(*([argument] if argument else []), **options)


def _size(name: str, kind: str, size: str) -> int:
    if kind != ImageEncoder.kind:
        raise ValueError(f"'{name}' asks for an input size, which only image encoders have")
    if not size.isdecimal() or int(size) < _SIZE_STEP or int(size) % _SIZE_STEP:
        raise ValueError(f"the size in '{name}' is a multiple of {_SIZE_STEP} pixels, such as @384")
    return int(size)
