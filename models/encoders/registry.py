"""Registry of encoders: functions that build one, looked up by name and listed by kind."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from models.encoders.base import Encoder, ImageEncoder, ImagePromptEncoder, PromptEncoder
from models.name_registry import Registry
from models.unknown_name import UnknownNameError

KINDS = tuple(cls.kind for cls in (ImageEncoder, PromptEncoder, ImagePromptEncoder))
_SIZE_STEP = 32

Builder = TypeVar("Builder", bound=Callable[..., Encoder])


@dataclass(frozen=True)
class _Entry:
    kind: str
    build: Callable[..., Encoder]
    argument: str
    default: bool


def _usage(name: str, entry: _Entry) -> str:
    return f"{name}:{entry.argument}" if entry.argument else name


ENCODERS: Registry[_Entry] = Registry("encoder", "models.encoders", "hyperassess.encoders", _usage)
"""All encoders; the modules of `models/encoders/` and plug-ins register them."""


def register_encoder(kind: str, argument: str = "", default: bool = False) -> Callable[[Builder], Builder]:
    """Register the decorated function under its own name.

    The function of an image encoder takes `size`, in pixels, with a default; others do not.

    Args:
        kind: Kind of the encoder, one of `KINDS`.
        argument: What must follow the name after a colon, as in `timm:NAME`; the function takes it first.
        default: Whether a sweep uses this encoder of its kind if none is chosen.

    Raises:
        UnknownNameError: There is no such kind.
        ValueError: The kind has a default already, or the name is registered already.

    Example:
        >>> @register_encoder("prompt", argument="FILE")
        ... def word_vectors(file): ...
        >>> "word_vectors:FILE" in list_encoders("prompt")
        True
        >>> ENCODERS.remove("word_vectors")
    """
    _check_kind(kind)

    def register(builder: Builder) -> Builder:
        if default and (others := _defaults(kind)):
            raise ValueError(f"the default {kind} encoder is {others[0]} already")
        ENCODERS.add(builder.__name__, _Entry(kind, builder, argument, default), builder.__module__)
        return builder

    return register


def list_encoders(kind: str) -> list[str]:
    """Return how the encoders of a kind are written, the default first, the others sorted.

    Raises:
        UnknownNameError: There is no such kind.

    Example:
        >>> list_encoders("image")[:3]
        ['efficientnet_lite0', 'resnet50', 'timm:NAME']
    """
    _check_kind(kind)
    of_kind = [(name, usage) for name, usage in ENCODERS.usages().items() if ENCODERS.get(name).kind == kind]
    return [usage for _, usage in sorted(of_kind, key=lambda pair: not ENCODERS.get(pair[0]).default)]


def default_encoder(kind: str) -> str:
    """Return the name of a kind's default encoder.

    Raises:
        UnknownNameError: There is no such kind.

    Example:
        >>> default_encoder("prompt")
        'minilm'
    """
    _check_kind(kind)
    return _defaults(kind)[0]


def build_encoder(name: str) -> Encoder:
    """Build an encoder by name.

    Some names need an argument, `timm:resnet18` or `sentence:FOLDER`. An image encoder's name may end with its input
    size, `efficientnet_lite0@384` or `timm:resnet18@384`.

    Raises:
        UnknownNameError: No encoder has that name.
        ValueError: The argument is missing or names no encoder, the size is not a multiple of 32 pixels, or the encoder
            has no input size.

    Example:
        >>> build_encoder("efficientnet_lite0@384").size
        384
    """
    bare = bare_name(name)
    entry, rest = ENCODERS.get(bare), name[len(bare) :]
    options = {}
    sized = entry.kind == ImageEncoder.kind or not rest.startswith(":")  # a folder's name may have an @
    if sized and "@" in rest:
        rest, _, size = rest.rpartition("@")
        options["size"] = _size(name, entry.kind, size)
    argument = rest[1:]
    if entry.argument and not argument:
        raise ValueError(f"'{name}' does not say what to load: write {_usage(bare, entry)}")
    if argument and not entry.argument:
        raise ValueError(f"'{name}' is not an encoder; {bare} takes nothing after a colon")
    return entry.build(*([argument] if argument else []), **options)


def encoder_plugin(name: str) -> str | None:
    """Return the module of the plug-in that an encoder is from, or None for a built-in one.

    Raises:
        UnknownNameError: No encoder has that name.

    Example:
        >>> encoder_plugin("timm:resnet18") is None
        True
    """
    return ENCODERS.plugin_of(bare_name(name))


def bare_name(name: str) -> str:
    """Return the registered part of an encoder's name, without argument and size.

    Example:
        >>> bare_name("timm:resnet18@384")
        'timm'
    """
    return re.split("[:@]", name, maxsplit=1)[0]


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownNameError("kind of encoder", kind, KINDS)


def _defaults(kind: str) -> list[str]:
    return [name for name, entry in ENCODERS.entries() if entry.kind == kind and entry.default]


def _size(name: str, kind: str, size: str) -> int:
    if kind != ImageEncoder.kind:
        raise ValueError(f"'{name}' asks for an input size, which only image encoders have")
    if not size.isdecimal() or int(size) < _SIZE_STEP or int(size) % _SIZE_STEP:
        raise ValueError(f"the size in '{name}' is a multiple of {_SIZE_STEP} pixels, such as @384")
    return int(size)
