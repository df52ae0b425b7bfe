"""Import order: this project's packages come before same-named modules of the working folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("models", "orchestrator", "search_spaces")
"""Top-level packages of this project."""

ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds them: the checkout, or the `site-packages` of an installed wheel."""

_RAY_WORKER = "default_worker.py"
"""Script that a Ray worker runs; Ray puts the driver's working folder first in its `sys.path`."""


class ProjectFinder:
    """Import hook that finds the packages of this project in `ROOT` and nowhere else."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of a package of this project, and None for any other module."""
        return PathFinder.find_spec(name, [str(ROOT)], target) if path is None and name in PACKAGES else None


def put_project_first() -> None:
    """Import this project's packages from `ROOT`, whatever the working folder or PYTHONPATH holds.

    In a command and in a Ray worker the working folder also moves behind the installed packages. A `ray.py` or
    `utils.py` in it then shadows nothing. Programs that import this project keep their own order.
    """
    if ProjectFinder not in sys.meta_path:
        sys.meta_path.insert(0, ProjectFinder)
    if sys.argv[:1] == ["-m"] or Path(*sys.argv[:1]).name == _RAY_WORKER:
        sys.path[:] = working_folder_last(sys.path, os.environ.get("PYTHONPATH", ""))


def working_folder_last(entries: Sequence[str], pythonpath: str) -> list[str]:
    """Return `entries` of `sys.path` with the folders that Python or Ray put in front moved to the end.

    Args:
        entries: `sys.path`; entries before the standard library are the working folder's, Ray's or PYTHONPATH's.
        pythonpath: folders that stay in front, separated as in PYTHONPATH.
    """
    library = os.path.dirname(os.__file__)
    front = entries[: entries.index(library)] if library in entries else entries[:1]
    chosen = set(pythonpath.split(os.pathsep)) - {""}
    moved = [
        entry
        for entry in front
        if entry not in chosen and not entry.endswith(".zip") and "site-packages" not in Path(entry).parts
    ]
    return [entry for entry in entries if entry not in moved] + moved


def keep_order_in_subprocesses() -> None:
    """Set the environment so that child processes, Ray's among them, do not put their working folder first."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    chosen = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if "site-packages" not in ROOT.parts and str(ROOT) not in chosen:
        os.environ["PYTHONPATH"] = os.pathsep.join([*chosen, str(ROOT)])
