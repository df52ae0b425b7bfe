"""Folder of a sweep: its files, how it is found, and the lock that keeps other processes from writing."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.spec import SweepSpec, load_spec


@dataclass(frozen=True)
class Workspace:
    """Folder `sweeps/<name>` and the names of its files."""

    root: Path

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.root.name

    @property
    def spec(self) -> Path:
        """The sweep's settings."""
        return self.root / "spec.yaml"

    @property
    def space(self) -> Path:
        """Search space of the sweep's next trials."""
        return self.root / "space.yaml"

    def earlier_spaces(self) -> list[Path]:
        """Return the files of the spaces before the ranges changed, `space-1.yaml` first."""
        found = {int(path.stem.partition("-")[2]): path for path in self.root.glob("space-[0-9]*.yaml")}
        return [found[number] for number in sorted(found)]

    @property
    def first(self) -> Path:
        """Configurations that the sweep tries first."""
        return self.root / "first.json"

    @property
    def identity(self) -> Path:
        """Code version, data hash, split hashes and encoders, which must agree when the sweep is resumed."""
        return self.root / "identity.json"

    @property
    def provenance(self) -> Path:
        """Commit, packages and machine at the start of the sweep."""
        return self.root / "provenance.json"

    @property
    def ledger(self) -> Path:
        """Optuna's journal."""
        return self.root / "ledger.journal"

    @property
    def spool(self) -> Path:
        """Events on their way to MLflow."""
        return self.root / "spool"

    @property
    def splits(self) -> Path:
        """Folder of the splits, one file each."""
        return self.root / "splits"

    def split(self, index: int) -> Path:
        """Return the file of a split."""
        return self.splits / f"split_{index:02d}.json"

    @property
    def trials(self) -> Path:
        """Folders of the trials: checkpoints and, of confirm runs, predictions."""
        return self.root / "trials"

    @property
    def tune(self) -> Path:
        """Ray Tune's own files; never read."""
        return self.root / "tune"

    @property
    def report(self) -> Path:
        """Report page, tables and figures."""
        return self.root / "report"

    @property
    def report_page(self) -> Path:
        """Report page, which is one HTML file."""
        return self.report / "index.html"

    @property
    def result(self) -> Path:
        """Result of a finished sweep, as JSON; a sweep without it is not finished."""
        return self.root / "result.json"

    def earlier_result(self, trials: int, splits: int | None = None) -> Path:
        """Return the path of an earlier result, kept when the budget was extended.

        Args:
            trials: its number of trials.
            splits: its number of splits, if there is an earlier result with as many trials.
        """
        return self.root / (f"result-{trials}.json" if splits is None else f"result-{trials}-{splits}-splits.json")

    @property
    def log(self) -> Path:
        """Log of Ray, MLflow and Optuna."""
        return self.root / "log.txt"

    @property
    def progress(self) -> Path:
        """Progress of a running sweep; a killed sweep leaves it behind."""
        return self.root / ".progress.json"

    @property
    def snapshot(self) -> Path:
        """Snapshot that `sweeps watch` draws; a killed sweep leaves it behind."""
        return self.root / ".snapshot.json"

    @property
    def requests(self) -> Path:
        """Folder of the requests to the running sweep; those with an answer are in its subfolder `handled`."""
        return self.root / "requests"

    @property
    def lease(self) -> Path:
        """File that the process running the sweep locks."""
        return self.root / ".lease"

    @property
    def holder(self) -> Path:
        """Owner of the lease; a killed sweep leaves it behind."""
        return self.root / ".holder.json"


@dataclass(frozen=True)
class LockOwner:
    """Process that holds a sweep, or held it when it was killed."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"on {self.host}, pid {self.pid}, since {self.since}"

    @classmethod
    def read(cls, workspace: Workspace) -> LockOwner | None:
        """Read the owner of a sweep, and None if no process holds it."""
        try:
            return cls(**json.loads(workspace.holder.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


class SweepLocked(InputError):
    """Raised if another process runs the sweep."""


@contextmanager
def lock_sweep(workspace: Workspace) -> Iterator[None]:
    """Lock a sweep's folder for this process; the operating system releases it when the process ends.

    A folder that is as empty at the end as it was at the beginning is removed, with those created for it.

    Raises:
        SweepLocked: another process holds it; the message names host, pid and start.
        InputError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    created = [folder for folder in workspace.root.parents if not folder.exists()]
    since = datetime.now(UTC).isoformat(timespec="seconds")
    owner = asdict(LockOwner(socket.gethostname(), os.getpid(), since))
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(workspace.lease, timeout=0)
        lock.acquire()
        workspace.holder.write_text(json.dumps(owner), encoding="utf-8")
    except Timeout as error:
        holder = LockOwner.read(workspace)
        raise SweepLocked(f"The sweep {workspace.name} is running{f' {holder}' if holder else ''}.") from error
    except OSError as error:
        _remove_if_empty([workspace.root, *created])
        raise InputError(
            f"{workspace.root.parent} cannot be written ({reason(error)}): choose another folder with --out."
        ) from error
    try:
        yield
    finally:
        workspace.holder.unlink(missing_ok=True)
        if _is_empty(workspace):
            workspace.lease.unlink(missing_ok=True)
            _remove_if_empty([workspace.root, *created])
        lock.release()


def _is_empty(workspace: Workspace) -> bool:
    """Return whether a sweep's folder has no file except its lease, or was removed."""
    return not workspace.root.is_dir() or all(path == workspace.lease for path in workspace.root.iterdir())


def _remove_if_empty(folders: list[Path]) -> None:
    """Remove folders, from the innermost on, until one is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def running(workspace: Workspace) -> LockOwner | None:
    """Return the process that runs a sweep now, and None if there is none."""
    from filelock import FileLock, Timeout

    holder = LockOwner.read(workspace)
    # Trying the lock takes it for a moment, in which a start of the sweep would be refused, so it comes last.
    if holder is None or (holder.host == socket.gethostname() and not _alive(holder.pid)):
        return None
    try:
        with FileLock(workspace.lease, timeout=0):
            return None
    except Timeout:
        return holder


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def find_sweep(reference: str, out: Path) -> Workspace:
    """Return the sweep with an id, a name or a folder.

    Args:
        reference: id, name or folder.
        out: folder of the sweeps.

    Raises:
        InputError: no sweep matches; the message lists near names.
    """
    for folder in (Path(reference), out / reference):
        if (folder / "spec.yaml").is_file():
            return Workspace(folder.absolute())
    if archive_of(out, reference).is_file():
        raise InputError(
            f"The sweep {reference} is archived. Bring it back with: python -m orchestrator.sweeps restore {reference}"
        )
    sweeps = list_sweeps(out)
    for workspace, spec in sweeps:
        if spec.id == reference:
            return workspace
    if not sweeps:
        raise InputError(f"There are no sweeps in {out}.")
    raise InputError(unknown_name_message("sweep", reference, [workspace.name for workspace, _ in sweeps]))


def list_sweeps(out: Path) -> list[tuple[Workspace, SweepSpec]]:
    """Return all sweeps under `out` whose spec can be read, oldest first."""
    found = [(workspace, spec) for workspace, spec in scan(out) if isinstance(spec, SweepSpec)]
    return sorted(found, key=lambda pair: pair[1].created)


def scan(out: Path) -> Iterator[tuple[Workspace, SweepSpec | InputError]]:
    """Yield all sweeps under `out`, each with its spec or the error that reading it raised."""
    for path in sorted(out.glob("*/spec.yaml")):
        if path.parent.name.startswith("."):  # is being deleted
            continue
        workspace = Workspace(path.parent.absolute())
        try:
            yield workspace, load_spec(path)
        except InputError as error:
            yield workspace, error


def archive_of(out: Path, name: str) -> Path:
    """Return the archive of a sweep of that name."""
    return out / "archive" / f"{name}.tar.gz"
