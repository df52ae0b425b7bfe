"""Migrations of specs of earlier versions, one function a version; newer specs are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from orchestrator.core.errors import InputError

SCHEMA_VERSION: Final[Literal[2]] = 2

Content = dict[str, Any]


def _from_1(content: Content) -> Content:
    """Add `warm_start`, new in version 2; a sweep of version 1 had no earlier sweeps."""
    return {**content, "warm_start": []}


MIGRATIONS: dict[int, Callable[[Content], Content]] = {1: _from_1}
"""Version → function that migrates it to the next."""


def migrate(content: Any, path: str) -> Content:
    """Return a spec's content in the present version.

    Args:
        content: content of the file.
        path: path of the file, for the error.

    Raises:
        InputError: the content has no mapping, no version, or an unknown version.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path} is not a spec: it has no schema_version.")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, from a newer HyperAssess; this one reads up to {SCHEMA_VERSION}."
        )
    if version < min(MIGRATIONS):
        raise InputError(f"{path} has schema version {version}, which does not exist.")
    while version < SCHEMA_VERSION:
        content = MIGRATIONS[version](content)
        version += 1
    return {**content, "schema_version": SCHEMA_VERSION}
