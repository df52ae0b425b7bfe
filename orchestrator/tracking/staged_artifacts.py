"""Files that wait for MLflow in the spool's folder: hard links or, if the disk has none, copies."""

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
    """Link `paths` into a folder `files/<run>/…` of the spool; return its name within the spool.

    Args:
        spool: the spool's folder.
        run: key of the run.
        paths: files and folders.
        name: name of the folder within the spool; None for a new one.

    Raises:
        OSError: the files can be neither linked nor copied; what was staged of them is deleted.
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
    """Delete a staging folder, and its run's folder if that is empty."""
    folder = spool / name
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()


def remove_stale(spool: Path, wanted: set[str]) -> None:
    """Delete staging folders of events that have arrived, or that a kill left unwritten.

    Args:
        spool: the spool's folder; nothing may be staged there meanwhile.
        wanted: names of the staging folders of unsent events.
    """
    for folder in list((spool / _FILES).glob("*/*")):
        name = f"{_FILES}/{folder.parent.name}/{folder.name}"
        if name not in wanted:
            release(spool, name)


def files_to_upload(folder: Path) -> list[Path]:
    """Return the files of a job's folder to upload: without the large training state, which only a resume reads."""
    excluded = ("last-", "worker.json", ".")
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(excluded) and not is_draft(path)
    ]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, a file system without links, too many of them
        shutil.copy2(source, target)
