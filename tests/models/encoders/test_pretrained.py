import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from models.encoders import MissingWeightsError, build_encoder
from models.encoders.pretrained import resolve_folder, resolve_hub_file, resolve_url

NEEDY = ["resnet50", "timm:resnet18", "keyphrase_mpnet", "llm_embedder", "sentence:some/model", "blip"]
PLACES = {
    "resnet50": ("https://download.pytorch.org/models/resnet50-", "weights/resnet50-"),
    "timm:resnet18": ("huggingface.co/timm/resnet18", "weights/timm/resnet18.safetensors"),
    "keyphrase_mpnet": ("huggingface.co/uclanlp/keyphrase-mpnet-v1", "weights/keyphrase_mpnet"),
    "llm_embedder": ("huggingface.co/BAAI/llm-embedder", "weights/llm_embedder"),
    "sentence:some/model": ("huggingface.co/some/model", "weights/some/model"),
    "blip": ("huggingface.co/Salesforce/blip-itm-base-coco", "weights/blip"),
}


@pytest.mark.parametrize("name", NEEDY)
def test_error_offline_names_the_file_to_download_and_its_folder(no_weights, name):
    encoder = build_encoder(name)
    began = time.perf_counter()
    with pytest.raises(MissingWeightsError) as raised:
        _ = encoder.identity
    assert time.perf_counter() - began < 5 and no_weights() == []
    message = str(raised.value)
    source, place = PLACES[name]
    assert f"weights of {name} are not on this machine" in message and "HF_HUB_OFFLINE is set" in message
    assert source in message and place in message and "\n" not in message


@pytest.mark.parametrize("name", ["resnet50", "timm:resnet18", "blip"])
def test_error_without_a_network_is_the_same(no_weights, monkeypatch, name):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    encoder = build_encoder(name)
    began = time.perf_counter()
    with pytest.raises(MissingWeightsError, match="cannot be downloaded"):
        _ = encoder.identity
    assert time.perf_counter() - began < 10


def test_error_explains_the_variable_if_it_is_not_set(no_weights, monkeypatch):
    monkeypatch.delenv("HYPERASSESS_WEIGHTS")
    with pytest.raises(MissingWeightsError, match=r"\$HYPERASSESS_WEIGHTS/blip/, HYPERASSESS_WEIGHTS being set"):
        _ = build_encoder("blip").identity


def in_the_hubs_cache(root: Path, hub_id: str, files: dict[str, str]) -> Path:
    """Write a repository in the layout of the hub's client."""
    repository = root / ("models--" + hub_id.replace("/", "--"))
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc", encoding="utf-8")
    snapshot = repository / "snapshots" / "abc"
    for name, content in files.items():
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).write_text(content, encoding="utf-8")
    return snapshot


def test_the_users_folder_comes_before_the_hubs_cache(no_weights, tmp_path):
    files = {"config.json": "{}", "model.safetensors": ""}
    cached = in_the_hubs_cache(tmp_path / "hub", "some/model", files)
    assert resolve_folder("made", "made", "some/model") == cached
    own = tmp_path / "weights" / "made"
    own.mkdir(parents=True)
    assert resolve_folder("made", "made", "some/model") == cached  # an empty folder is not a model
    (own / "pytorch_model.bin").touch()
    assert resolve_folder("made", "made", "some/model") == own
    assert no_weights() == []


def test_settings_without_weights_in_the_cache_are_not_a_model(no_weights, tmp_path):
    in_the_hubs_cache(tmp_path / "hub", "some/model", {"config.json": "{}"})
    with pytest.raises(MissingWeightsError):
        resolve_folder("made", "made", "some/model")


def test_one_file_is_found_in_its_places(no_weights, tmp_path):
    def found() -> Path:
        return resolve_hub_file("made", ["a.safetensors", "a.pth"], "some/model", ["model.safetensors", "other.bin"])

    cached = in_the_hubs_cache(tmp_path / "hub", "some/model", {"other.bin": ""})
    assert found() == cached / "other.bin"
    (tmp_path / "weights").mkdir()
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / "weights" / name).touch()
        assert found().name == name


def test_a_file_of_torch_hub_is_found_in_its_places(no_weights, tmp_path):
    def found() -> Path:
        return resolve_url("made", "net*.pth", "https://example.org/net-1234.pth")

    cache = Path(torch.hub.get_dir()) / "checkpoints"
    assert tmp_path in cache.parents
    cache.mkdir(parents=True)
    (cache / "net-1234.pth").touch()
    assert found() == cache / "net-1234.pth"
    (tmp_path / "weights").mkdir()
    for name in ("net-0000.pth", "net-1234.pth"):  # the published name before any other
        (tmp_path / "weights" / name).touch()
        assert found() == tmp_path / "weights" / name


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin"], ["config.json", "model.safetensors"]),
        (["vocab.txt", "pytorch_model.bin", "tf_model.h5"], ["vocab.txt", "pytorch_model.bin"]),
        (["model.safetensors", "2_Dense/pytorch_model.bin"], ["model.safetensors", "2_Dense/pytorch_model.bin"]),
        (["model.safetensors", "onnx/config.json", "onnx/model.onnx", "README.md"], ["model.safetensors"]),
    ],
)
def test_only_what_is_needed_is_downloaded(no_weights, monkeypatch, there, wanted):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    asked = []

    def download(hub_id, allow_patterns=None, local_files_only=False):
        if local_files_only:
            raise FileNotFoundError
        asked.append((hub_id, allow_patterns))
        return "downloaded"

    listing = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in there])
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda self, hub_id, timeout: listing)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert resolve_folder("made", "made", "some/model") == Path("downloaded")
    assert asked == [("some/model", wanted)]


def test_a_download_that_breaks_off_is_explained(no_weights, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")

    def download(hub_id, allow_patterns=None, local_files_only=False):
        raise FileNotFoundError if local_files_only else ConnectionResetError("peer went away")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda self, hub_id, timeout: SimpleNamespace(siblings=[]))
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(MissingWeightsError, match="peer went away"):
        resolve_folder("made", "made", "some/model")


def test_invalid_id_is_reported_as_unknown(no_weights, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(MissingWeightsError, match="the hub has no 'a/b/c'"):
        resolve_folder("made", "made", "a/b/c")
