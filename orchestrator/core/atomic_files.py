"""Files that are replaced in one step: a reader finds the old content or the new one, never half of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_SUFFIX = ".partial"
_EARLIER_SUFFIX = ".draft"
"""Suffix of drafts that version 0.1 left when it was killed."""


def write_file(path: Path, content: str | bytes, *, concurrent: bool = False) -> None:
    """Write a file in one step; create its folder if missing.

    Args:
        path: the file.
        content: text, written as UTF-8, or bytes.
        concurrent: whether several processes may write the file at the same time. Each then has a draft of its own,
            which stays behind if the process is killed.

    Raises:
        OSError: the file cannot be written; its earlier content and nothing else is there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "spec.yaml"
        >>> write_file(path, "trials: 12")
        >>> path.read_text()
        'trials: 12'
    """
    with replacing(path, concurrent=concurrent) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, *, concurrent: bool = False) -> Iterator[Path]:
    """Yield a draft's path; rename the draft to `path` at the end of the block, or delete it if the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unique = f".{uuid4().hex[:8]}" if concurrent else ""
    draft = path.with_name(f".{path.name}{unique}{_SUFFIX}")
    try:
        yield draft
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def is_draft(path: Path | str) -> bool:
    """Return whether a file is a draft that a killed writer left."""
    name = Path(path).name
    return name.endswith(_EARLIER_SUFFIX) or (name.startswith(".") and name.endswith(_SUFFIX))
