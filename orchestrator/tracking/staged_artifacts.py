"""Files that wait for MLflow in the spool's own folder: linked where the disk can, copied where it cannot."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.core.atomic_files import is_draft

_FILES = "files"


def stage(spool: Path, run: str, paths: Sequence[Path], name: str | None = None) -> str:
    """Links `paths` into a folder `files/<run>/…` of the spool; returns its name within the spool.

    Args:
        spool: its folder.
        run: whose they are.
        paths: files and folders.
        name: of the folder within the spool; None for a new one.

    Raises:
        OSError: they can be neither linked nor copied; nothing is left of the attempt.
    """
    name = name or f"{_FILES}/{run}/{time.time_ns():x}"
    folder = spool / name
    folder.mkdir(parents=True)
    try:
        for path in paths:
            if path.is_dir():
                shutil.copytree(path, folder / path.name, copy_function=_link)
            else:
                _link(str(path), str(folder / path.name))
    except (OSError, shutil.Error) as error:
        release(spool, name)
        raise error if isinstance(error, OSError) else OSError(str(error)) from error
    return name


def release(spool: Path, name: str) -> None:
    """Removes what `keep` made, and its run's folder with the last of it."""
    folder = spool / name
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()


def remove_stale(spool: Path, wanted: set[str]) -> None:
    """Removes what was kept for events that have arrived, or that a kill has left unwritten.

    Args:
        spool: its folder; nobody may be keeping files there meanwhile.
        wanted: names that events still to be sent refer to.
    """
    for folder in list((spool / _FILES).glob("*/*")):
        name = f"{_FILES}/{folder.parent.name}/{folder.name}"
        if name not in wanted:
            release(spool, name)


def worth_uploading(folder: Path) -> list[Path]:
    """The files of a job's folder that serve people: not the state that only a resume reads, which is large."""
    left_out = ("last-", "worker.json", ".")
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(left_out) and not is_draft(path)
    ]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, a file system without links, too many of them
        shutil.copy2(source, target)
