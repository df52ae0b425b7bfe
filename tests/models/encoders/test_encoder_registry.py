import numpy as np
import pytest
import torch
from PIL import Image

from models.encoders import (
    ComposedEncoder,
    ImageEncoder,
    ImagePromptEncoder,
    PromptEncoder,
    build_encoder,
    default_encoder,
    list_encoders,
    register_encoder,
)
from models.unknown_name import UnknownNameError
from tests.made_weights import COMPLETED

KINDS = {"image": ImageEncoder, "prompt": PromptEncoder, "image_prompt": ImagePromptEncoder}
LISTED = [(kind, name) for kind in KINDS for name in list_encoders(kind)]
NAMES = [(kind, COMPLETED.get(name, name)) for kind, name in LISTED]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_encoder_has_the_kind_and_the_name_that_it_is_registered_with(weights, kind, name):
    encoder = build_encoder(name)
    assert isinstance(encoder, KINDS[kind])
    assert encoder.name == name and encoder.kind == kind
    assert encoder.identity.startswith(name.partition(":")[0])
    assert encoder.identity == build_encoder(name).identity


@pytest.mark.parametrize(
    ("kind", "name"), [pair for pair in NAMES if not isinstance(build_encoder(pair[1]), ComposedEncoder)]
)
def test_encoder_returns_arrays_of_its_shapes(weights, kind, name):
    encoder = build_encoder(name)
    inputs = []
    if kind != "prompt":
        noise = np.random.default_rng(0).integers(0, 256, (2, 50, 40, 3), dtype=np.uint8)
        inputs.append(torch.from_numpy(np.stack([encoder.preprocess(Image.fromarray(array)) for array in noise])))
    if kind != "image":
        inputs.append(["a red cat", "the dog and a photo of the blue cat"])
    arrays = encoder.encode(*inputs)
    assert {name: tuple(array.shape[1:]) for name, array in arrays.items()} == dict(encoder.shapes)
    for array in arrays.values():
        assert array.dtype == torch.float32 and array.isfinite().all() and not torch.equal(array[0], array[1])


def test_encoders_have_different_identities(weights):
    assert len({build_encoder(name).identity for _, name in NAMES}) == len(NAMES)


def test_defaults_need_no_download():
    assert {kind: default_encoder(kind) for kind in KINDS} == {
        "image": "efficientnet_lite0",
        "prompt": "minilm",
        "image_prompt": "conse",
    }


def test_size_is_part_of_the_name():
    encoder = build_encoder("efficientnet_lite0@384")
    assert isinstance(encoder, ImageEncoder)
    assert (encoder.name, encoder.size) == ("efficientnet_lite0@384", 384)
    assert build_encoder("efficientnet_lite0@224").name == "efficientnet_lite0"


def test_name_may_have_an_argument_and_a_size():
    encoder = build_encoder("timm:test_resnet@256")
    assert isinstance(encoder, ImageEncoder)
    assert (encoder.name, encoder.size) == ("timm:test_resnet@256", 256)
    assert build_encoder("timm:test_resnet@224").name == "timm:test_resnet"


def test_folder_may_have_an_at_sign_in_its_name(weights, tmp_path):
    folder = tmp_path / "model@64"
    folder.symlink_to(weights / "made" / "model")
    encoder = build_encoder(f"sentence:{folder}")
    assert isinstance(encoder, PromptEncoder) and encoder.name == f"sentence:{folder}"
    assert encoder.shapes == {"embedding": (20,)}


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0@100", "efficientnet_lite0@", "efficientnet_lite0@x", "timm:test_resnet@0"]
)
def test_size_is_refused_unless_it_is_a_multiple_of_32(name):
    with pytest.raises(ValueError, match="multiple of 32 pixels"):
        build_encoder(name)


@pytest.mark.parametrize("name", ["minilm@384", "blip@384"])
def test_size_is_refused_for_an_encoder_of_prompts(name):
    with pytest.raises(ValueError, match="only image encoders"):
        build_encoder(name)


@pytest.mark.parametrize("name", ["timm", "timm:", "timm@256", "timm:@256"])
def test_missing_argument_is_refused(name):
    with pytest.raises(ValueError, match="write timm:NAME"):
        build_encoder(name)


def test_superfluous_argument_is_refused():
    with pytest.raises(ValueError, match="minilm takes nothing after a colon"):
        build_encoder("minilm:large")


def test_unknown_encoder_names_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean efficientnet_lite0"):
        build_encoder("efficientnet_lite")
    with pytest.raises(UnknownNameError, match="did you mean sentence:ID"):
        build_encoder("sentense:some/model")
    with pytest.raises(UnknownNameError, match="image_prompt"):
        list_encoders("picture_prompt")


def test_default_of_a_kind_is_registered_once():
    with pytest.raises(ValueError, match="the default prompt encoder is minilm already"):

        @register_encoder("prompt", default=True)
        def second(): ...

    assert "second" not in list_encoders("prompt")


def test_listed_encoders_begin_with_the_default_and_are_sorted():
    for kind in KINDS:
        first, *others = list_encoders(kind)
        assert first == default_encoder(kind) and others == sorted(others)
