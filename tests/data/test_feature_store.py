import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from models.encoders import MissingWeightsError
from orchestrator.core.errors import InputError
from orchestrator.data import Dataset, FeatureSet, FeatureStore
from orchestrator.data.array_files import StoredArray
from orchestrator.data.validate import check_dataset
from tests.data.conftest import BesideEncoder, BrightnessEncoder, Encoders, make_raw, save_image

_NAMES = {"image": "brightness", "prompt": "length", "image_prompt": "sum"}
_PROMPTS = [f"{'x' * (number % 4 + 1)}" for number in range(40)]

MakeDataset = Callable[[Sequence[str]], Dataset]


@pytest.fixture
def store(tmp_path: Path, encoders: Encoders) -> FeatureStore:
    return FeatureStore(tmp_path / "store", build=encoders.build)


def test_every_row_gets_its_own_features(make_dataset: MakeDataset, store: FeatureStore) -> None:
    dataset = make_dataset(_PROMPTS)
    found = store.get(dataset, _NAMES, ["image.mean", "image.map", "prompt.embedding", "image_prompt.embedding"])
    tensors = found.tensors()
    assert found.shapes == {
        "image.mean": (1,),
        "image.map": (3, 2, 2),
        "prompt.embedding": (2,),
        "image_prompt.embedding": (1,),
    }
    for name, tensor in tensors.items():
        assert tensor.shape == (40, *found.shapes[name])
        assert tensor.dtype == torch.float16
    lengths = torch.tensor([float(len(prompt)) for prompt in _PROMPTS])
    assert torch.equal(tensors["prompt.embedding"][:, 0].float(), lengths)
    assert torch.allclose(tensors["image.mean"][:, 0].float(), torch.arange(40.0), atol=0.2)
    # Composed of what is stored, so equal to it in float16.
    expected = (tensors["image.mean"].float()[:, 0] + lengths).half()
    assert torch.equal(tensors["image_prompt.embedding"][:, 0], expected)
    assert found.nbytes == 2 * 40 * (1 + 12 + 2 + 1)


def test_nothing_is_computed_twice_nor_for_nobody(
    make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders
) -> None:
    dataset = make_dataset(_PROMPTS)
    found = store.get(dataset, _NAMES, ["prompt.embedding"])
    assert (encoders.image.encoded, encoders.prompt.encoded, encoders.both.composed) == (0, 4, 0)
    assert dict(found.identity) == {"prompt": "length 1"}
    for _ in range(2):
        found = store.get(dataset, _NAMES, ["image_prompt.embedding"])
        assert (encoders.image.encoded, encoders.prompt.encoded, encoders.both.composed) == (40, 4, 40)
    assert dict(found.identity) == {"image": "brightness 1", "prompt": "length 1", "image_prompt": "sum 1"}
    store.get(dataset, _NAMES, ["image.map"])
    assert encoders.image.encoded == 40


def test_what_is_stored_is_given_and_what_is_not_is_not_computed(
    make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders
) -> None:
    dataset = make_dataset(_PROMPTS)
    assert store.stored(dataset, _NAMES, ["image_prompt.embedding"]) is None
    assert (encoders.image.encoded, encoders.prompt.encoded) == (0, 0)
    computed = store.get(dataset, _NAMES, ["image_prompt.embedding"]).tensors()
    found = store.stored(dataset, _NAMES, ["image_prompt.embedding"])
    assert found is not None
    assert torch.equal(found.tensors()["image_prompt.embedding"], computed["image_prompt.embedding"])


def test_only_images_and_prompts_matter_to_features(tmp_path: Path, store: FeatureStore, encoders: Encoders) -> None:
    raw = make_raw(tmp_path / "images", _PROMPTS)
    features = ["image.mean", "image_prompt.embedding"]
    store.get(check_dataset(raw), _NAMES, features)
    raw.table["quality"] += 1.0
    raw.table["generator"] = "brush"
    store.get(check_dataset(raw), _NAMES, features)
    assert (encoders.image.encoded, encoders.both.composed) == (40, 40)
    raw.table.loc[3, "prompt"] = "another"
    store.get(check_dataset(raw), _NAMES, features)
    assert (encoders.image.encoded, encoders.both.composed) == (40, 80)
    save_image(tmp_path / "images" / "003.png", 222)
    found = store.get(check_dataset(raw), _NAMES, features)
    assert (encoders.image.encoded, encoders.both.composed) == (80, 120)
    assert found.tensors()["image.mean"][3] == pytest.approx(222, abs=1)


def test_other_weights_are_other_features(make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders) -> None:
    dataset = make_dataset(_PROMPTS)
    store.get(dataset, _NAMES, ["image_prompt.embedding"])
    encoders.image = BrightnessEncoder(version=2)
    found = store.get(dataset, _NAMES, ["image_prompt.embedding"])
    assert (encoders.image.encoded, encoders.both.composed) == (40, 80)
    assert found.identity["image"] == "brightness 2"


def test_killed_extraction_resumes(make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders) -> None:
    dataset = make_dataset([f"prompt {number}" for number in range(300)])

    def kill(done: int, total: int, what: str) -> None:
        assert (total, what) == (300, "image features by brightness")
        if done > 270:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get(dataset, _NAMES, ["image.mean"], kill)
    encoders.image.encoded = 0
    tensors = store.get(dataset, _NAMES, ["image.mean"]).tensors()
    assert encoders.image.encoded == 300 - 256
    assert torch.allclose(tensors["image.mean"][:256, 0].float(), torch.arange(256.0), atol=1.0)


_JOINT = {"image": "brightness", "prompt": "length", "image_prompt": "beside"}


def test_a_joint_encoder_sees_every_row_for_itself(
    make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders
) -> None:
    dataset = make_dataset(_PROMPTS)
    for _ in range(2):
        found = store.get(dataset, _JOINT, ["image_prompt.embedding"])
        assert (encoders.image.encoded, encoders.prompt.encoded, encoders.joint.encoded) == (0, 0, 40)
    embedding = found.tensors()["image_prompt.embedding"].float()
    lengths = torch.tensor([float(len(prompt)) for prompt in _PROMPTS])
    assert torch.equal(embedding[:, 1], lengths)
    assert torch.allclose(embedding[:, 0], torch.arange(40.0), atol=0.2)
    assert dict(found.identity) == {"image_prompt": "beside 1"}


def test_joint_features_are_of_weights_images_and_prompts(
    tmp_path: Path, store: FeatureStore, encoders: Encoders
) -> None:
    raw = make_raw(tmp_path / "images", _PROMPTS)
    store.get(check_dataset(raw), _JOINT, ["image_prompt.embedding"])
    raw.table["quality"] += 1.0
    store.get(check_dataset(raw), _JOINT, ["image_prompt.embedding"])
    assert encoders.joint.encoded == 40
    raw.table.loc[3, "prompt"] = "another"
    found = store.get(check_dataset(raw), _JOINT, ["image_prompt.embedding"])
    assert encoders.joint.encoded == 80 and found.tensors()["image_prompt.embedding"][3, 1] == len("another")
    save_image(tmp_path / "images" / "003.png", 222)
    store.get(check_dataset(raw), _JOINT, ["image_prompt.embedding"])
    assert encoders.joint.encoded == 120
    encoders.joint = BesideEncoder(version=2)
    store.get(check_dataset(raw), _JOINT, ["image_prompt.embedding"])
    assert encoders.joint.encoded == 40


def test_killed_joint_extraction_resumes(make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders) -> None:
    dataset = make_dataset([f"{'x' * (number % 50)}" or "y" for number in range(300)])

    def kill(done: int, total: int, what: str) -> None:
        assert (total, what) == (300, "image-prompt features by beside")
        if done > 270:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get(dataset, _JOINT, ["image_prompt.embedding"], kill)
    encoders.joint.encoded = 0
    tensors = store.get(dataset, _JOINT, ["image_prompt.embedding"]).tensors()
    assert encoders.joint.encoded == 300 - 256
    expected = torch.tensor([float(len(prompt)) for prompt in dataset.prompts])
    assert torch.equal(tensors["image_prompt.embedding"][:, 1].float(), expected)


def test_shapes_are_known_and_nothing_is_encoded(store: FeatureStore, encoders: Encoders) -> None:
    assert store.shapes(_JOINT, ["image_prompt.embedding"]) == {"image_prompt.embedding": (2,)}
    assert store.shapes(_NAMES, ["image_prompt.embedding"]) == {
        "image.mean": (1,),
        "image.map": (3, 2, 2),
        "prompt.embedding": (2,),
        "image_prompt.embedding": (1,),
    }
    with pytest.raises(InputError, match="does not give 'image.depth'"):
        store.shapes(_NAMES, ["image.depth"])
    assert encoders.image.encoded == encoders.prompt.encoded == encoders.joint.encoded == 0
    assert not store.root.exists()


def test_weights_that_are_not_here_are_wrong_input(
    store: FeatureStore, encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identity(self: BesideEncoder) -> str:
        raise MissingWeightsError("beside", "a file", "beside.pth", "no network")

    monkeypatch.setattr(BesideEncoder, "identity", property(identity))
    assert store.shapes(_JOINT, ["image.mean"])  # what nobody needs may be missing
    with pytest.raises(InputError, match="weights of beside are not on this machine .* download a file to"):
        store.shapes(_JOINT, ["image_prompt.embedding"])


def test_a_feature_set_travels(make_dataset: MakeDataset, store: FeatureStore) -> None:
    found = store.get(make_dataset(_PROMPTS), _NAMES, ["image.map", "prompt.embedding"])
    message = pickle.dumps(found)
    assert len(message) < 4000
    for name, tensor in pickle.loads(message).tensors().items():
        assert torch.equal(tensor, found.tensors()[name])


def test_stored_features_are_there_at_once(make_dataset: MakeDataset, store: FeatureStore) -> None:
    dataset = make_dataset(_PROMPTS)
    store.get(dataset, _NAMES, ["image_prompt.embedding"])
    said: list[str] = []
    started = time.perf_counter()
    store.get(dataset, _NAMES, ["image_prompt.embedding"], lambda done, total, what: said.append(what))
    assert time.perf_counter() - started < 0.5
    assert said == []


@pytest.mark.parametrize(
    ("names", "feature", "message"),
    [
        (_NAMES, "image.depth", "brightness does not give 'image.depth'; it gives image.mean, image.map"),
        ({"image": "brightness"}, "prompt.embedding", "needs a 'prompt' encoder; none is chosen"),
        ({"image": "length"}, "image.mean", "length is an encoder of the kind 'prompt', not 'image'"),
    ],
)
def test_a_wrong_request_is_explained_before_anything_is_computed(
    make_dataset: MakeDataset,
    store: FeatureStore,
    encoders: Encoders,
    names: dict[str, str],
    feature: str,
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        store.get(make_dataset(_PROMPTS), names, [feature])
    assert encoders.image.encoded == encoders.prompt.encoded == 0


def test_an_unknown_encoder_is_wrong_input(make_dataset: MakeDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nonsense"):
        FeatureStore(tmp_path / "store").get(make_dataset(_PROMPTS), {"image": "nonsense"}, ["image.mean"])


def test_an_image_that_broke_since_it_was_checked_is_explained(make_dataset: MakeDataset, store: FeatureStore) -> None:
    dataset = make_dataset(_PROMPTS)
    Path(dataset.images[20]).unlink()
    with pytest.raises(InputError, match="020.png was fine when it was checked and is missing now"):
        store.get(dataset, _NAMES, ["image.mean"])


def test_names_with_odd_characters_make_folders(make_dataset: MakeDataset, store: FeatureStore) -> None:
    encoder = BrightnessEncoder()
    encoder.name = "timm:some/net"
    store._build = lambda name: encoder
    store.get(make_dataset(_PROMPTS), {"image": "timm:some/net"}, ["image.mean"])
    (folder,) = (path for path in store.root.iterdir() if path.is_dir())
    assert folder.name.startswith("timm-some-net-")


def test_decoded_images_are_kept_as_they_are_and_run_no_encoder(
    make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders
) -> None:
    dataset = make_dataset(_PROMPTS)
    found = store.get(dataset, _NAMES, ["image.pixels"])
    assert found.shapes == {"image.pixels": (3, 5, 5)}, "for crops of 4 pixels"
    pixels = found.tensors()["image.pixels"]
    assert pixels.dtype == torch.uint8 and pixels.shape == (40, 3, 5, 5)
    assert torch.equal(pixels, torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand_as(pixels))
    assert found.nbytes == 40 * 75 and dict(found.identity) == {"image": "brightness 1"}
    assert encoders.image.encoded == 0
    both = store.get(dataset, _NAMES, ["image.mean", "image.pixels", "prompt.embedding"])
    assert set(both.features) == {"image.mean", "image.pixels", "prompt.embedding"}
    assert _stored(both) == _stored(found)


def test_decoded_images_are_found_by_size_and_content_and_decoding_resumes(
    make_dataset: MakeDataset, store: FeatureStore, encoders: Encoders
) -> None:
    dataset = make_dataset([f"prompt {number}" for number in range(300)])
    seen: list[int] = []

    def kill(done: int, total: int, what: str) -> None:
        assert (total, what) == (300, "images of 5 pixels")
        seen.append(done)
        if done > 270:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get(dataset, _NAMES, ["image.pixels"], kill)
    seen.clear()
    first = store.get(dataset, _NAMES, ["image.pixels"], lambda done, total, what: seen.append(done))
    assert seen[0] == 256 and seen[-1] == 300
    brightness = torch.arange(300).clamp(max=255)
    assert torch.equal(first.tensors()["image.pixels"][:, 0, 0, 0].long(), brightness)

    encoders.image = BrightnessEncoder(version=2)  # other weights: the images are the same
    assert store.get(dataset, _NAMES, ["image.pixels"]).features["image.pixels"].array == _stored(first)
    encoders.image.size = 8
    larger = store.get(dataset, _NAMES, ["image.pixels"])
    assert larger.shapes["image.pixels"] == (3, 9, 9) and _stored(larger) != _stored(first)
    encoders.image.size = 4
    fewer = make_dataset([f"prompt {number}" for number in range(299)])
    assert _stored(store.get(fewer, _NAMES, ["image.pixels"])) != _stored(first)


def _stored(found: FeatureSet) -> StoredArray:
    return found.features["image.pixels"].array
