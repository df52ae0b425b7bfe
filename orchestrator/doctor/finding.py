"""Result type of the checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARN = "warn"
    """Sweeps run, but something may fail or is less safe than it could be."""
    FAIL = "fail"
    """A sweep would fail, or should not run."""


@dataclass(frozen=True)
class Finding:
    """Result of a check.

    Attributes:
        check: name of the check.
        level: severity.
        said: message.
        fix: how to fix it; None for level OK.
    """

    check: str
    level: Level
    said: str
    fix: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return {"check": self.check, "level": str(self.level), "said": self.said, "mend": self.fix}


def ok(check: str, said: str) -> Finding:
    """Return a finding of level OK."""
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, fix: str) -> Finding:
    """Return a finding of level WARN."""
    return Finding(check, Level.WARN, said, fix)


def fail(check: str, said: str, fix: str) -> Finding:
    """Return a finding of level FAIL."""
    return Finding(check, Level.FAIL, said, fix)
