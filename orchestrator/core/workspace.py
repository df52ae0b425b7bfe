"""A sweep's folder: what lies where, finding it again, and holding it so that nobody else writes there."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.core.lookup import unknown_name_message
from orchestrator.core.spec import SweepSpec, load_spec


@dataclass(frozen=True)
class Workspace:
    """The folder `sweeps/<name>` and the names of what is inside."""

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
        """The search space as it was when the sweep began."""
        return self.root / "space.yaml"

    @property
    def first(self) -> Path:
        """The configurations that it tries first."""
        return self.root / "first.json"

    @property
    def identity(self) -> Path:
        """Code version, data hash, split hashes and encoders: what must agree when the sweep goes on."""
        return self.root / "identity.json"

    @property
    def provenance(self) -> Path:
        """Commit, packages and machine that it began with."""
        return self.root / "provenance.json"

    @property
    def ledger(self) -> Path:
        """Optuna's journal."""
        return self.root / "ledger.journal"

    @property
    def spool(self) -> Path:
        """What the recorder has to tell MLflow."""
        return self.root / "spool"

    @property
    def splits(self) -> Path:
        """One file a split."""
        return self.root / "splits"

    @property
    def trials(self) -> Path:
        """One folder a trial: its checkpoint and, once confirmed, its predictions."""
        return self.root / "trials"

    @property
    def tune(self) -> Path:
        """Ray Tune's own files; never read."""
        return self.root / "tune"

    @property
    def report(self) -> Path:
        """Tables and figures."""
        return self.root / "report"

    @property
    def result(self) -> Path:
        """What a finished sweep found, as JSON; its presence says that the sweep is finished."""
        return self.root / "result.json"

    def earlier_result(self, trials: int) -> Path:
        """The result that it had when its search had so many trials, kept when the search went on."""
        return self.root / f"result-{trials}.json"

    @property
    def log(self) -> Path:
        """What Ray, MLflow and Optuna had to say."""
        return self.root / "log.txt"

    @property
    def progress(self) -> Path:
        """What a running sweep says of itself; left behind by one that was killed."""
        return self.root / ".progress.json"

    @property
    def lease(self) -> Path:
        """Locked by whoever runs the sweep."""
        return self.root / ".lease"

    @property
    def holder(self) -> Path:
        """Who holds the lease; left behind by one that was killed."""
        return self.root / ".holder.json"


@dataclass(frozen=True)
class LockOwner:
    """A process that holds a sweep, or held it when it was killed."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"on {self.host}, pid {self.pid}, since {self.since}"

    @classmethod
    def read(cls, workspace: Workspace) -> LockOwner | None:
        """Who it says it is; None where nobody does."""
        try:
            return cls(**json.loads(workspace.holder.read_text()))
        except (OSError, ValueError, TypeError):
            return None


class SweepLocked(InputError):
    """Somebody else is running the sweep."""


@contextmanager
def lock_sweep(workspace: Workspace) -> Iterator[None]:
    """Holds a sweep's folder for this process; the operating system lets go when the process ends, however it ends.

    Raises:
        Held: somebody else holds it: who, where and since when.
    """
    from filelock import FileLock, Timeout

    workspace.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.lease, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        holder = LockOwner.read(workspace)
        raise SweepLocked(f"The sweep {workspace.name} is running{f' {holder}' if holder else ''}.") from error
    since = datetime.now(UTC).isoformat(timespec="seconds")
    workspace.holder.write_text(json.dumps(asdict(LockOwner(socket.gethostname(), os.getpid(), since))))
    try:
        yield
    finally:
        workspace.holder.unlink(missing_ok=True)
        lock.release()


def running(workspace: Workspace) -> LockOwner | None:
    """Who is running a sweep now; None where nobody is."""
    from filelock import FileLock, Timeout

    holder = LockOwner.read(workspace)
    # Asking the lock takes it for a moment, in which whoever starts the sweep would be refused: only where needed.
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
    """The sweep meant by an id, a name or a folder.

    Args:
        reference: what the user gave.
        out: the folder that sweeps live in.

    Raises:
        InputError: there is none, with the near matches.
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
    """All sweeps under `out` whose spec can be read, oldest first."""
    found = [(workspace, spec) for workspace, spec in scan(out) if isinstance(spec, SweepSpec)]
    return sorted(found, key=lambda pair: pair[1].created)


def scan(out: Path) -> Iterator[tuple[Workspace, SweepSpec | InputError]]:
    """All sweeps under `out`, each with its spec or with why that cannot be read."""
    for path in sorted(out.glob("*/spec.yaml")):
        if path.parent.name.startswith("."):  # one that is being deleted
            continue
        workspace = Workspace(path.parent.absolute())
        try:
            yield workspace, load_spec(path)
        except InputError as error:
            yield workspace, error


def archive_of(out: Path, name: str) -> Path:
    """Where a sweep of that name lies once it is archived."""
    return out / "archive" / f"{name}.tar.gz"
