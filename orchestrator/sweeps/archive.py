"""A sweep's folder as one compressed file, and back."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from orchestrator.core.atomic_files import replacing
from orchestrator.core.errors import InputError, reason
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.spec import SweepSpec, parse_spec
from orchestrator.core.sweep_folder import Workspace, archive_of, lock_sweep

_LEFT_OUT = {"tune", ".lease", ".holder.json", ".snapshot.json"}
"""Ray's own files, which are never read, and who holds the folder."""

_FIRST = ("spec.yaml", "result.json")
"""Files at the start of an archive, so that a list reads them without unpacking the rest."""


def archive_sweep(workspace: Workspace, force: bool = False) -> Path:
    """Compress a sweep's folder into `archive/` next to it, remove the folder and return the archive.

    Args:
        workspace: of the sweep, which must not be running.
        force: although MLflow has not received every event; the waiting events are archived with the rest.

    Raises:
        InputError: it is running, MLflow lacks some of it, or there is an archive of that name.
    """
    from orchestrator.tracking.spool import Spool

    path = archive_of(workspace.root.parent, workspace.name)
    if (path.parent / "spec.yaml").is_file():
        raise InputError(f"{path.parent} is a sweep itself, so nothing can be archived there.")
    if path.exists():
        raise InputError(f"There is a sweep {workspace.name} in the archive already: {path}.")
    with lock_sweep(workspace):
        if not force and (left := Spool(workspace.spool).count_unsent()):
            raise InputError(
                f"{left} events of {workspace.name} have not reached MLflow. Send them with "
                f"`python -m orchestrator.sync {workspace.name}`, or archive it with --force."
            )
        with replacing(path, concurrent=True) as draft:
            _pack(workspace, draft)
            _compare(workspace, draft)
        remove_folder(workspace)
    return path


def restore_sweep(name: str, out: Path) -> Workspace:
    """Restore an archived sweep to its folder and remove the archive.

    Raises:
        InputError: there is no such archive, it cannot be read, or a folder of that name exists.
    """
    path, workspace = archive_of(out, name), Workspace((out / name).absolute())
    if not path.is_file():
        names = [path.name.removesuffix(".tar.gz") for path in sorted(path.parent.glob("*.tar.gz"))]
        if not names:
            raise InputError(f"There are no archived sweeps in {out}.")
        raise InputError(unknown_name_message("archived sweep", name, names))
    if workspace.root.exists():
        raise InputError(f"{workspace.root} is there already; the archive stays as it is.")
    draft = out / f".restored-{uuid4().hex[:8]}"
    try:
        with tarfile.open(path, "r:gz") as packed:
            packed.extractall(draft, filter="data")
        os.replace(draft, workspace.root)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    path.unlink()
    return workspace


def archived(out: Path) -> Iterator[tuple[str, SweepSpec | InputError, str | None]]:
    """Name, spec (or why it cannot be read) and result of every archived sweep."""
    for path in sorted((out / "archive").glob("*.tar.gz")):
        if path.name.startswith("."):  # one that is being written
            continue
        name = path.name.removesuffix(".tar.gz")
        try:
            found = _read_first(path)
            yield name, parse_spec(found["spec.yaml"], str(path)), found.get("result.json")
        except InputError as error:
            yield name, error, None
        except (OSError, EOFError, KeyError, UnicodeDecodeError, tarfile.TarError) as error:
            yield name, InputError(f"{path} cannot be read: {reason(error)}."), None


def remove_folder(workspace: Workspace) -> None:
    """Remove a sweep's folder; a kill half-way leaves a hidden folder, never half a sweep."""
    doomed = workspace.root.with_name(f".deleted-{workspace.name}-{uuid4().hex[:8]}")
    os.replace(workspace.root, doomed)
    shutil.rmtree(doomed)


def _pack(workspace: Workspace, draft: Path) -> None:
    with tarfile.open(draft, "w:gz", compresslevel=6) as packed:
        for name in _contents(workspace):
            packed.add(workspace.root / name, arcname=name)
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def _compare(workspace: Workspace, draft: Path) -> None:
    """Read the archive once, checksums included, before the folder is removed."""
    with tarfile.open(draft, "r:gz") as packed:
        sizes = {member.name: member.size for member in packed if member.isfile()}
    root = workspace.root
    files = [path for name in _contents(workspace) for path in (root / name, *(root / name).rglob("*"))]
    there = {path.relative_to(root).as_posix(): path.stat().st_size for path in files if path.is_file()}
    if sizes != there:
        raise InputError(f"{workspace.name} changed while it was archived; nothing was removed.")


def _contents(workspace: Workspace) -> list[str]:
    names = {path.name for path in workspace.root.iterdir()} - _LEFT_OUT
    return [*(name for name in _FIRST if name in names), *sorted(names - set(_FIRST))]


def _read_first(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with tarfile.open(path, "r|gz") as packed:
        for member in packed:
            if member.name not in _FIRST:
                break
            if file := packed.extractfile(member):
                found[member.name] = file.read().decode()
    return found
