"""Download a data set from the Hugging Face hub, or say where else it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from orchestrator.core.errors import InputError, reason
from orchestrator.data.publisher import Source
from orchestrator.data.registry import dataset_source

Snapshot = Callable[[str, Path], None]


def hub_snapshot(repository: str, folder: Path) -> None:
    """Copy a data set of the hub into a folder; files that are there already are not sent again.

    Raises:
        Exception: any error of the hub's client or of the network.
    """
    from huggingface_hub import HfApi, snapshot_download

    # Asked for first: without a revision and without a network, the client takes any folder for a finished copy.
    revision = HfApi().dataset_info(repository).sha
    snapshot_download(repository, repo_type="dataset", revision=revision, local_dir=folder)


def fetch_dataset(name: str, folder: Path, snapshot: Snapshot = hub_snapshot) -> None:
    """Copy a data set into a folder and unpack its archives there.

    Args:
        name: of the data set.
        folder: destination; created if missing.
        snapshot: copies from the hub, given repository and folder.

    Raises:
        InputError: unknown data set, a licence that forbids the download, no access to the hub, or a damaged archive.
    """
    source = dataset_source(name)
    if source is None:
        raise InputError(f"{name} has nothing to fetch: it is built in, or your own.")
    if source.hub is None:
        raise InputError(f"{name} is not on the hub: take it from {_whereabouts(source)}, unpack it, and check it.")
    if folder.is_file():
        raise InputError(f"{folder} is a file: choose a folder with --to.")
    try:
        snapshot(source.hub, folder)
    except Exception as error:
        raise InputError(
            f"{source.hub} could not be fetched from the Hugging Face hub: {_cause(error)}. Run this again to continue "
            f"where it stopped, or take {name} from {_whereabouts(source)}."
        ) from error
    for archive in sorted(folder.rglob("*.zip")):
        _unpack(archive)


def _unpack(archive: Path) -> None:
    try:
        with ZipFile(archive) as content:
            absent = [member for member in content.infolist() if not (archive.parent / member.filename).exists()]
            content.extractall(archive.parent, absent)
    except (BadZipFile, OSError) as error:
        raise InputError(f"{archive} cannot be unpacked: {reason(error)}. Remove it and fetch again.") from error


def _whereabouts(source: Source) -> str:
    return f"{source.page} (licence: {source.licence})"


def _cause(error: Exception) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    return reason(error).split(". ")[0].rstrip(".")[:120] or type(error).__name__
