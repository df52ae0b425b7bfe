"""Trials in the sweep's own folder, which every node sees: nothing has to be copied."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from orchestrator.cluster.unfit_node_errors import TrialDirNotVisible
from orchestrator.core.disk_space import free_bytes
from orchestrator.core.object_store import ObjectStore
from orchestrator.core.training_files import MODEL
from orchestrator.execution.locked_trial_dir import WorkerInfo, read_worker
from orchestrator.execution.retention import Kept
from orchestrator.execution.trial_store import TrialFolder, TrialStore, all_files


class SharedTrialStore(TrialStore):
    """A folder with one folder per trial, used in place by the driver and all workers.

    Args:
        trials: the folder; its path is the same on every node.
    """

    def __init__(self, trials: Path) -> None:
        self.trials = trials
        self.objects = ObjectStore(str(trials.absolute()))

    def check(self) -> None:
        """Do nothing: the driver creates the sweep's folder itself."""

    def open_folder(self, key: str) -> TrialFolder:
        """Return the trial's only folder."""
        return _SharedFolder(self.trials / key)

    def writer(self, key: str) -> WorkerInfo | None:
        """Read the worker's file in the trial's folder."""
        return read_worker(self.trials / key)

    def local_writer(self, key: str) -> WorkerInfo | None:
        """Return `writer`, which asks no server."""
        return self.writer(key)

    def fetch(self, key: str, folder: Path, wanted: Callable[[str], bool] = all_files) -> bool:
        """Return False: the driver reads the same folder."""
        return False

    def sizes(self, key: str) -> dict[Kept, int]:
        """Measure the files in the trial's folder."""
        return folder_sizes(self.trials / key)

    def drop(self, key: str, parts: Iterable[Kept]) -> int:
        """Delete files from the trial's folder; return the bytes freed on its disk."""
        return drop_parts(self.trials / key, parts)

    def free_bytes(self) -> float:
        """Return the bytes free on the folder's disk."""
        return free_bytes(self.trials)

    def remove_all(self) -> None:
        """Do nothing: the trials are deleted with the sweep's folder."""


class _SharedFolder(TrialFolder):
    """A folder that all workers of the trial use in turn."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fetch(self) -> None:
        trials = self.path.parent
        if not trials.is_dir():
            raise TrialDirNotVisible(
                f"The node {socket.gethostname()} does not see {trials}. Begin a sweep with --storage-path, a folder "
                "that all nodes see or s3://BUCKET/PREFIX, or take the node out."
            )

    def save(self) -> None:
        pass

    def close(self) -> None:
        pass


def folder_sizes(folder: Path) -> dict[Kept, int]:
    """Return the bytes of the tensors in a trial's folder, by purpose."""
    from orchestrator.training import checkpoint_files  # imports PyTorch, which most commands do without

    sizes: dict[Kept, int] = dict(checkpoint_files.sizes(folder).items())
    if model := _model_size(folder):
        sizes["model"] = model
    return sizes


def drop_parts(folder: Path, parts: Iterable[Kept]) -> int:
    """Delete parts of a trial that has ended from its folder; return the bytes freed."""
    from orchestrator.training import checkpoint_files

    unwanted, freed = set(parts), 0
    if "model" in unwanted:
        freed += _model_size(folder)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
    tensors: list[checkpoint_files.Part] = [part for part in unwanted if part != "model"]
    if tensors:
        freed += checkpoint_files.drop(folder, tensors)
    return freed


def _model_size(folder: Path) -> int:
    model = folder / MODEL
    return sum(file_size(path) for path in model.iterdir()) if model.is_dir() else 0


def file_size(path: Path) -> int:
    """Return a file's bytes, 0 if it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
