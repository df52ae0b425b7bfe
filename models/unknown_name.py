"""Names that people type: what is said when one of them is unknown."""

from collections.abc import Iterable
from difflib import get_close_matches


class UnknownNameError(ValueError):
    """A name that no registry knows; the message names the near matches, or else all that there are."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
        super().__init__(f"unknown {what} '{name}'; {hint}")
        self.name = name
        self.near = tuple(near)
