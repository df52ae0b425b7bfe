"""A sweep's folder: what lies where, finding it again, and holding it so that nobody else writes there."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.naming import unknown
from orchestrator.spec import SweepSpec, load_spec


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
    def identity(self) -> Path:
        """Code version, data hash, split hashes and encoders: what must agree when the sweep goes on."""
        return self.root / "identity.json"

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

    @property
    def log(self) -> Path:
        """What Ray, MLflow and Optuna had to say."""
        return self.root / "log.txt"

    @property
    def lease(self) -> Path:
        """Locked by whoever runs the sweep."""
        return self.root / ".lease"


class Held(InputError):
    """Somebody else is running the sweep."""


@contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Holds a sweep's folder for this process; the operating system lets go when the process ends, however it ends.

    Raises:
        Held: somebody else holds it: who, where and since when.
    """
    from filelock import FileLock, Timeout

    workspace.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.lease, timeout=0)
    holder = workspace.root / ".holder.json"
    try:
        lock.acquire()
    except Timeout as error:
        raise Held(f"The sweep {workspace.name} is running{_describe(holder)}.") from error
    since = datetime.now(UTC).isoformat(timespec="seconds")
    holder.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since}))
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


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
    sweeps = list_sweeps(out)
    for workspace, spec in sweeps:
        if spec.id == reference:
            return workspace
    if not sweeps:
        raise InputError(f"There are no sweeps in {out}.")
    raise InputError(unknown("sweep", reference, [workspace.name for workspace, _ in sweeps]))


def list_sweeps(out: Path) -> list[tuple[Workspace, SweepSpec]]:
    """All sweeps under `out`, oldest first."""
    found = [(Workspace(path.parent.absolute()), load_spec(path)) for path in out.glob("*/spec.yaml")]
    return sorted(found, key=lambda pair: pair[1].created)


def _describe(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text())
        return f" on {who['host']}, pid {who['pid']}, since {who['since']}"
    except (OSError, ValueError, KeyError):
        return ""
