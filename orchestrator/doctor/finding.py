"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Sweeps run, and something may go wrong or is less safe than it could be."""
    FAIL = "fail"
    """A sweep would not run, or should not."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        check: what was looked at.
        level: how bad it is.
        said: what was found.
        fix: what to do about it; None where there is nothing to do.
    """

    check: str
    level: Level
    said: str
    fix: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"check": self.check, "level": str(self.level), "said": self.said, "mend": self.fix}


def ok(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, fix: str) -> Finding:
    """It may go wrong."""
    return Finding(check, Level.WARN, said, fix)


def fail(check: str, said: str, fix: str) -> Finding:
    """It goes wrong."""
    return Finding(check, Level.FAIL, said, fix)
