"""Specs of earlier versions: each is brought to the next version by a function, newer ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from orchestrator.core.errors import InputError

SCHEMA_VERSION: Final[Literal[2]] = 2

Content = dict[str, Any]


def _from_1(content: Content) -> Content:
    """Version 2 knows earlier sweeps to begin from; a sweep of version 1 began from none."""
    return {**content, "warm_start": []}


MIGRATIONS: dict[int, Callable[[Content], Content]] = {1: _from_1}
"""Version → what makes the next version of it."""


def migrate(content: Any, path: str) -> Content:
    """A spec's content as this version has it.

    Args:
        content: what the file holds.
        path: of the file, for the error.

    Raises:
        InputError: no mapping, no version, or a version that is not known here.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path} is not a spec: it has no schema_version.")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, from a newer HyperAssess; this one reads up to {SCHEMA_VERSION}."
        )
    if version < min(MIGRATIONS):
        raise InputError(f"{path} has schema version {version}, which never was.")
    while version < SCHEMA_VERSION:
        content = MIGRATIONS[version](content)
        version += 1
    return {**content, "schema_version": SCHEMA_VERSION}
