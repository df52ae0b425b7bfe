"""Looking a name up, and saying which names there are when it is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from orchestrator.core.errors import InputError

T = TypeVar("T")


def look_up(kind: str, name: str, known: Mapping[str, T]) -> T:
    """`known[name]`, or an InputError that names what is near or what there is."""
    if name not in known:
        raise InputError(unknown_name_message(kind, name, known))
    return known[name]


def unknown_name_message(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
    return f"Unknown {kind} {name!r}: {advice}"
