"""Lookup of pretrained weights: in a folder of the user, in the cache of earlier downloads, or on the network.

A name is looked up in `$HYPERASSESS_WEIGHTS`, then in the cache of the library that downloads it, and then
downloaded into that cache. If all three fail, the error message names the file to download and its folder.
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
"""Environment variable with the path of the user's folder of weights."""
_HUB = "https://huggingface.co"
_TIMEOUT = 5.0  # seconds until a server that does not answer counts as unreachable


class MissingWeightsError(ValueError):
    """Error for weights that are not on this machine and cannot be downloaded.

    The message names the file to download and the folder to put it in.

    Example:
        >>> error = MissingWeightsError("resnet50", "https://host/resnet50.pth", "resnet50.pth", "no network")
        >>> str(error).split(": ")[0]
        'The weights of resnet50 are not on this machine and cannot be downloaded (no network)'
    """

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
    """Return the SHA-256, in hex, over the SHA-256 of each file in order; a process reads a file once.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> file.write_bytes(b"weights")
        7
        >>> len(sha256(file))
        64
    """
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def local_path(place: str) -> Path | None:
    """Return `$HYPERASSESS_WEIGHTS/<place>`, or None if the variable is not set.

    Example:
        >>> path = local_path("blip")
        >>> path is None or path.name == "blip"
        True
    """
    folder = os.environ.get(VARIABLE)
    return Path(folder).expanduser().absolute() / place if folder else None


def resolve_folder(encoder: str, place: str, hub_id: str) -> Path:
    """Return the folder of a model of the Hugging Face hub; download it if it is not on this machine.

    The example downloads weights from the hub, so it is skipped in tests.

    Args:
        encoder: name of the encoder, for the message.
        place: folder of the model in `$HYPERASSESS_WEIGHTS`.
        hub_id: id of the model on the hub, such as `BAAI/llm-embedder`.

    Raises:
        MissingWeightsError: the model is not on this machine and cannot be downloaded.

    Example:
        >>> folder = resolve_folder("llm_embedder", "llm_embedder", "BAAI/llm-embedder")  # doctest: +SKIP
        >>> (folder / "config.json").is_file()  # doctest: +SKIP
        True
    """
    from huggingface_hub import snapshot_download

    local = local_path(place)
    if local is not None and weight_files(local):
        return local
    try:
        cached = Path(snapshot_download(hub_id, local_files_only=True))
    except (OSError, ValueError):  # not in the cache, or not a valid id
        cached = None
    if cached is not None and weight_files(cached):
        return cached
    source, place = f"the files of {_HUB}/{hub_id}", f"{place}/"
    patterns = _torch_files(_hub_files(encoder, hub_id, source, place))
    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns))
    except Exception as error:  # errors of the hub, of its HTTP client and of the system
        raise MissingWeightsError(encoder, source, place, _reason(error)) from error


def resolve_hub_file(encoder: str, places: Iterable[str], hub_id: str | None, filenames: Iterable[str]) -> Path:
    """Return the path of one file of a model of the Hugging Face hub; download it if it is not on this machine.

    The example downloads weights from the hub, so it is skipped in tests.

    Args:
        encoder: name of the encoder, for the message.
        places: paths in `$HYPERASSESS_WEIGHTS`; the first that exists is returned.
        hub_id: id of the model on the hub; None if the hub has none.
        filenames: names of the file on the hub; the first that exists is returned.

    Raises:
        MissingWeightsError: the file is not on this machine and cannot be downloaded.

    Example:
        >>> places, filenames = ["timm/resnet18.safetensors"], ["model.safetensors"]
        >>> resolve_hub_file("timm:resnet18", places, "timm/resnet18.a1_in1k", filenames).is_file()  # doctest: +SKIP
        True
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    places, filenames = list(places), list(filenames)
    for place in places:
        local = local_path(place)
        if local is not None and local.is_file():
            return local
    if hub_id is None:
        raise MissingWeightsError(encoder, "a file of them", places[0], "the hub does not have them")
    for filename in filenames:
        cached = try_to_load_from_cache(hub_id, filename)
        if isinstance(cached, str):
            return Path(cached)
    source = f"{filenames[0]} of {_HUB}/{hub_id}"
    on_hub = _hub_files(encoder, hub_id, source, places[0])
    try:
        return Path(hf_hub_download(hub_id, next(name for name in filenames if name in on_hub)))
    except StopIteration:
        raise MissingWeightsError(encoder, source, places[0], f"it holds no {' or '.join(filenames)}") from None
    except Exception as error:  # errors of the hub, of its HTTP client and of the system
        raise MissingWeightsError(encoder, source, places[0], _reason(error)) from error


def resolve_url(encoder: str, pattern: str, url: str) -> Path:
    """Return the path of a file that torch hub downloads; download it if it is not on this machine.

    The example downloads weights, so it is skipped in tests.

    Args:
        encoder: name of the encoder, for the message.
        pattern: glob pattern of the file in `$HYPERASSESS_WEIGHTS`; a file with the name in `url` is preferred.
        url: address of the file.

    Raises:
        MissingWeightsError: the file is not on this machine and cannot be downloaded.

    Example:
        >>> from torchvision.models import ResNet50_Weights
        >>> resolve_url("resnet50", "resnet50*.pth", ResNet50_Weights.IMAGENET1K_V1.url).name  # doctest: +SKIP
        'resnet50-0676ba61.pth'
    """
    import torch

    filename = url.rpartition("/")[2]
    folder = local_path("")
    matches = sorted(folder.glob(pattern), key=lambda file: (file.name != filename, file.name)) if folder else []
    if matches:
        return matches[0]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / filename
    if cached.is_file():
        return cached
    try:
        _refuse_offline()
        _check_reachable(url)  # torch has no timeout
        torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True)
    except (OSError, RuntimeError) as error:
        raise MissingWeightsError(encoder, url, filename, _reason(error)) from error
    return cached


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a model's tensors, sorted; pickles only from folders without safetensors.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("model.safetensors", "pytorch_model.bin"):
        ...     (folder / name).touch()
        >>> [file.name for file in weight_files(folder)]
        ['model.safetensors']
    """
    safe = sorted(folder.rglob("*.safetensors"))
    folders = {file.parent for file in safe}
    return safe + [file for file in sorted(folder.rglob("pytorch_model*.bin")) if file.parent not in folders]


def _torch_files(files: Iterable[str]) -> list[str]:
    """Filter a repository's files: exclude other frameworks' weights, and pickles of what safetensors contain."""
    paths = [Path(file) for file in files if not file.startswith(("onnx/", "openvino/"))]
    safe = {path.parent for path in paths if path.suffix == ".safetensors"}
    suffixes = {".json", ".txt", ".model", ".safetensors"}
    return [
        path.as_posix()
        for path in paths
        if path.suffix in suffixes or (path.match("pytorch_model*.bin") and path.parent not in safe)
    ]


def _hub_files(encoder: str, hub_id: str, source: str, place: str) -> list[str]:
    """Return the names of a repository's files; raise MissingWeightsError within seconds if the hub is unreachable."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        _refuse_offline()
        siblings = HfApi().model_info(hub_id, timeout=_TIMEOUT).siblings or []
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise MissingWeightsError(encoder, source, place, f"the hub has no '{hub_id}' that you may read") from error
    except Exception as error:  # errors of the hub, of its HTTP client and of the system
        raise MissingWeightsError(encoder, source, place, _reason(error)) from error
    return [sibling.rfilename for sibling in siblings]


def _refuse_offline() -> None:
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").lower() in {"1", "true", "yes", "on"}:
            raise ConnectionError(f"{variable} is set")


def _check_reachable(url: str) -> None:
    with suppress(urllib.error.HTTPError):  # an HTTP error is an answer
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT).close()


def _reason(error: Exception) -> str:
    why = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(why).split())[:120] or type(error).__name__
