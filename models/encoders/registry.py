"""The registry of encoders: plain functions that build one, found by kind and name."""

from collections.abc import Callable
from typing import Any, TypeVar

from models.encoders.base import ComposedEncoder, Encoder, ImageEncoder, PromptEncoder
from models.naming import UnknownNameError

KINDS = {cls.kind: cls for cls in (ImageEncoder, PromptEncoder, ComposedEncoder)}
_BUILDERS: dict[str, dict[str, Callable[..., Encoder]]] = {kind: {} for kind in KINDS}
_SIZE_STEP = 32

Builder = TypeVar("Builder", bound=Callable[..., Encoder])


def register_encoder(kind: str) -> Callable[[Builder], Builder]:
    """Register the decorated function under its own name; a kind's first is its default.

    The function of an image encoder takes `size`, in pixels, with a default; others take nothing.
    """

    def register(builder: Builder) -> Builder:
        _BUILDERS[kind][builder.__name__] = builder
        return builder

    return register


def list_encoders(kind: str) -> list[str]:
    """Names of the encoders of a kind, the default first."""
    if kind not in _BUILDERS:
        raise UnknownNameError("kind of encoder", kind, _BUILDERS)
    return list(_BUILDERS[kind])


def default_encoder(kind: str) -> str:
    """Name of the encoder of a kind that is used where none is asked for."""
    return list_encoders(kind)[0]


def build_encoder(name: str) -> Encoder:
    """Make an encoder by name; an image encoder's may carry its input size: `efficientnet_lite0@384`.

    Raises:
        UnknownNameError: No encoder has that name.
        ValueError: The size is not a multiple of 32 pixels, or the encoder is not of images.
    """
    bare, at, size = name.partition("@")
    for kind, builders in _BUILDERS.items():
        if bare in builders:
            return builders[bare](**(_size_argument(name, kind, size) if at else {}))
    raise UnknownNameError("encoder", bare, [known for builders in _BUILDERS.values() for known in builders])


def _size_argument(name: str, kind: str, size: str) -> dict[str, Any]:
    if kind != ImageEncoder.kind:
        raise ValueError(f"'{name}' asks for an input size, which only image encoders have")
    if not size.isdecimal() or int(size) < _SIZE_STEP or int(size) % _SIZE_STEP:
        raise ValueError(f"the size in '{name}' is a multiple of {_SIZE_STEP} pixels, such as @384")
    return {"size": int(size)}
