"""References to a registered version: NAME@ALIAS or NAME/VERSION, each also after `models:/`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(?:models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[\w.-]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class VersionReference:
    """A version of a registered model, by its number or by an alias.

    Attributes:
        name: name of the registered model.
        version: number; None if an alias is given.
        alias: None if a number is given.
    """

    name: str
    version: str | None = None
    alias: str | None = None

    @property
    def suffix(self) -> str:
        """`@champion` or `/3`."""
        return f"@{self.alias}" if self.alias else f"/{self.version}"

    def __str__(self) -> str:
        return f"{self.name}{self.suffix}"


def parse_version(reference: str) -> VersionReference | None:
    """Return the registered version that a text names; None if it has another form.

    >>> parse_version("models:/text_hyper/3")
    VersionReference(name='text_hyper', version='3', alias=None)
    """
    match = _VERSION.fullmatch(reference)
    return VersionReference(match["name"], match["version"], match["alias"]) if match else None
