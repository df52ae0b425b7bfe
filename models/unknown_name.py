"""Unknown names: the error, and its sentence with near matches."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def unknown_name_message(
    kind: str, name: str, known: Iterable[str], usages: Mapping[str, str] | None = None, note: str = ""
) -> str:
    """Return the sentence for a name that is not known: near matches or, if there are none, all known names.

    Args:
        kind: Noun for what the name stands for, such as "variant".
        name: The unknown name.
        known: Names that are known.
        usages: How a known name is written if it needs more than itself, such as "csv" → "csv:FILE".
        note: A further sentence.

    Example:
        >>> unknown_name_message("loss", "hubber", ["huber", "mse"])
        "Unknown loss 'hubber': did you mean huber?"
    """
    names, usages = sorted(known), usages or {}
    near = [usages.get(match, match) for match in get_close_matches(name, names, n=3, cutoff=0.5)]
    shown = ", ".join(usages.get(each, each) for each in names) or "none"
    advice = f"did you mean {' or '.join(near)}?" if near else f"there are {shown}."
    return f"Unknown {kind} {name!r}: {advice} {note}".rstrip()


class UnknownNameError(ValueError):
    """A name that is not known; the message lists near matches or, if there are none, all known names.

    Args:
        kind: Noun for what the name stands for, such as "variant".
        name: The unknown name.
        known: Names that are known.
        usages: How a known name is written if it needs more than itself, such as "csv" → "csv:FILE".
        note: A further sentence.

    Attributes:
        name: The unknown name.
        near: Known names that are similar to it, at most three.

    Example:
        >>> UnknownNameError("loss", "hubber", ["huber", "mse"]).near
        ('huber',)
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], usages: Mapping[str, str] | None = None, note: str = ""
    ) -> None:
        known = sorted(known)
        super().__init__(unknown_name_message(kind, name, known, usages, note))
        self.name = name
        self.near = tuple(get_close_matches(name, known, n=3, cutoff=0.5))
