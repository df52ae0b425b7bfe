"""Interface to the place where the workers of a sweep keep their trials' folders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path

from orchestrator.core.object_store import ObjectStore
from orchestrator.execution.locked_trial_dir import WorkerInfo
from orchestrator.execution.retention import Kept


def all_files(name: str) -> bool:
    """Return True: select every file of a trial."""
    return True


class TrialFolder(ABC):
    """A trial's folder on the node of its worker.

    Attributes:
        path: the folder, named after the trial.
    """

    path: Path

    @abstractmethod
    def fetch(self) -> None:
        """Make the folder hold what the trial's earlier workers saved, and take the trial over.

        Raises:
            TrialDirNotVisible: this node does not see the sweep's folder.
            ObjectStoreUnavailable: the object store does not answer.
        """

    @abstractmethod
    def save(self) -> None:
        """Save what is new in the folder for later workers.

        Raises:
            TrialDirLocked: another worker has taken the trial over, or the folder was emptied.
            ObjectStoreUnavailable: the object store does not answer; it still holds the previous state.
        """

    @abstractmethod
    def close(self) -> None:
        """Delete the local copy, if the folder is one."""


class TrialStore(ABC):
    """The trials' folders of one sweep, as the driver and the workers reach them.

    Small enough to be pickled to every worker. Every method that asks a server raises ObjectStoreUnavailable if the
    server does not answer.

    Attributes:
        objects: the folder or bucket that every node must reach.
    """

    objects: ObjectStore

    @abstractmethod
    def check(self) -> None:
        """Verify that the driver can write to the store."""

    @abstractmethod
    def open_folder(self, key: str) -> TrialFolder:
        """Return a trial's folder on this node, not yet fetched."""

    @abstractmethod
    def writer(self, key: str) -> WorkerInfo | None:
        """Return the worker that last took a trial over, or None if there was none."""

    @abstractmethod
    def local_writer(self, key: str) -> WorkerInfo | None:
        """Return `writer`, or None if that takes a request to a server."""

    @abstractmethod
    def fetch(self, key: str, folder: Path, wanted: Callable[[str], bool] = all_files) -> bool:
        """Copy a trial's files into a folder of the driver.

        Args:
            key: of the trial.
            folder: created if missing; files that it already holds are not copied again.
            wanted: selects files by name.

        Returns:
            Whether the store holds files of the trial that lie outside the sweep's folder.
        """

    @abstractmethod
    def sizes(self, key: str) -> dict[Kept, int]:
        """Return the bytes of a trial's tensors, by purpose."""

    @abstractmethod
    def drop(self, key: str, parts: Iterable[Kept]) -> int:
        """Remove parts of a trial that has ended; return the bytes freed."""

    @abstractmethod
    def free_bytes(self) -> float:
        """Return the bytes that can still be written; infinity if the store's owner watches over its space."""

    @abstractmethod
    def remove_all(self) -> None:
        """Remove all that the sweep stored outside its own folder."""
