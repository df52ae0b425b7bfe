"""Lookup by name, with a message that lists near or known names if the name is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from orchestrator.core.errors import InputError

T = TypeVar("T")


def look_up(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return `known[name]`; raise an InputError that lists near or known names if it is missing."""
    if name not in known:
        raise InputError(unknown_name_message(kind, name, known))
    return known[name]


def unknown_name_message(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
    return f"Unknown {kind} {name!r}: {advice}"
