"""Where weights come from: a folder of the user's, what was downloaded before, or the network.

A name is looked for in `$HYPERASSESS_WEIGHTS`, then in the cache of the library that downloads it, and then
downloaded into that cache. Where none of the three has it, the person is told what to put where.
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

VARIABLE = "HYPERASSESS_WEIGHTS"
_HUB = "https://huggingface.co"
_PATIENCE = 5.0  # seconds that a server has to answer before it counts as not there


class MissingWeightsError(ValueError):
    """Weights that are neither here nor to be had; the message says what to download and where to put it."""

    def __init__(self, encoder: str, source: str, place: str, why: str) -> None:
        folder = os.environ.get(VARIABLE)
        where = str(Path(folder).expanduser() / place) if folder else f"${VARIABLE}/{place}"
        unset = "" if folder else f", {VARIABLE} being set to a folder of your choice"
        super().__init__(
            f"The weights of {encoder} are not on this machine and cannot be downloaded ({why}): "
            f"download {source} to {where}{unset}."
        )


@cache
def sha256(*files: Path) -> str:
    """SHA-256, in hex, of the files' contents one after the other; read once in the life of a process."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def local_path(place: str) -> Path | None:
    """`$HYPERASSESS_WEIGHTS/<place>`; None where the variable is not set."""
    folder = os.environ.get(VARIABLE)
    return Path(folder).expanduser().absolute() / place if folder else None


def resolve_folder(encoder: str, place: str, hub_id: str) -> Path:
    """The folder of a model of the Hugging Face hub.

    Args:
        encoder: its name, for the message.
        place: its folder in `$HYPERASSESS_WEIGHTS`.
        hub_id: such as `BAAI/llm-embedder`.

    Raises:
        MissingWeightsError: it is not here and cannot be downloaded.
    """
    from huggingface_hub import snapshot_download

    local = local_path(place)
    if local is not None and weight_files(local):
        return local
    try:
        cached = Path(snapshot_download(hub_id, local_files_only=True))
    except (OSError, ValueError):  # not there; no id that could be
        cached = None
    if cached is not None and weight_files(cached):
        return cached
    source, place = f"the files of {_HUB}/{hub_id}", f"{place}/"
    wanted = _wanted(_hub_files(encoder, hub_id, source, place))
    try:
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except Exception as error:  # the hub's own, its client's and the system's
        raise MissingWeightsError(encoder, source, place, _reason(error)) from error


def resolve_hub_file(encoder: str, places: Iterable[str], hub_id: str | None, filenames: Iterable[str]) -> Path:
    """One file: the first of `places` that is in `$HYPERASSESS_WEIGHTS`, else the first of `filenames` on the hub.

    Raises:
        MissingWeightsError: it is not here and cannot be downloaded.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    places, filenames = list(places), list(filenames)
    for place in places:
        local = local_path(place)
        if local is not None and local.is_file():
            return local
    if hub_id is None:
        raise MissingWeightsError(encoder, "a file of them", places[0], "the hub has none")
    for filename in filenames:
        cached = try_to_load_from_cache(hub_id, filename)
        if isinstance(cached, str):
            return Path(cached)
    source = f"{filenames[0]} of {_HUB}/{hub_id}"
    there = _hub_files(encoder, hub_id, source, places[0])
    try:
        return Path(hf_hub_download(hub_id, next(name for name in filenames if name in there)))
    except StopIteration:
        raise MissingWeightsError(encoder, source, places[0], f"it holds no {' or '.join(filenames)}") from None
    except Exception as error:  # the hub's own, its client's and the system's
        raise MissingWeightsError(encoder, source, places[0], _reason(error)) from error


def resolve_url(encoder: str, pattern: str, url: str) -> Path:
    """A file that torch downloads: one of that name or else of that pattern in `$HYPERASSESS_WEIGHTS`, or torch hub's.

    Raises:
        MissingWeightsError: it is not here and cannot be downloaded.
    """
    import torch

    filename = url.rpartition("/")[2]
    folder = local_path("")
    found = sorted(folder.glob(pattern), key=lambda file: (file.name != filename, file.name)) if folder else []
    if found:
        return found[0]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / filename
    if cached.is_file():
        return cached
    try:
        _refuse_offline()
        _knock(url)  # torch would wait for an answer without end
        torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True)
    except (OSError, RuntimeError) as error:
        raise MissingWeightsError(encoder, url, filename, _reason(error)) from error
    return cached


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's tensors, sorted; safetensors before pickles of the same folder."""
    safe = sorted(folder.rglob("*.safetensors"))
    folders = {file.parent for file in safe}
    return safe + [file for file in sorted(folder.rglob("pytorch_model*.bin")) if file.parent not in folders]


def _wanted(files: Iterable[str]) -> list[str]:
    """Of a repository's files, what torch needs: no other framework's weights, and none of them twice."""
    paths = [Path(file) for file in files if not file.startswith(("onnx/", "openvino/"))]
    safe = {path.parent for path in paths if path.suffix == ".safetensors"}
    suffixes = {".json", ".txt", ".model", ".safetensors"}
    return [
        path.as_posix()
        for path in paths
        if path.suffix in suffixes or (path.match("pytorch_model*.bin") and path.parent not in safe)
    ]


def _hub_files(encoder: str, hub_id: str, source: str, place: str) -> list[str]:
    """Names of a repository's files; also finds out, in seconds, whether the hub can be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        _refuse_offline()
        siblings = HfApi().model_info(hub_id, timeout=_PATIENCE).siblings or []
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise MissingWeightsError(encoder, source, place, f"the hub has no '{hub_id}' that you may read") from error
    except Exception as error:  # the hub's own, its client's and the system's
        raise MissingWeightsError(encoder, source, place, _reason(error)) from error
    return [sibling.rfilename for sibling in siblings]


def _refuse_offline() -> None:
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").lower() in {"1", "true", "yes", "on"}:
            raise ConnectionError(f"{variable} is set")


def _knock(url: str) -> None:
    with suppress(urllib.error.HTTPError):  # something answered
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_PATIENCE).close()


def _reason(error: Exception) -> str:
    why = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(why).split())[:120] or type(error).__name__
