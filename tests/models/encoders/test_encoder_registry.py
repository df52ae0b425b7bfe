import pytest

from models.encoders import (
    ComposedEncoder,
    ImageEncoder,
    PromptEncoder,
    build_encoder,
    default_encoder,
    list_encoders,
)
from models.naming import UnknownNameError

KINDS = {"image": ImageEncoder, "prompt": PromptEncoder, "image_prompt": ComposedEncoder}
NAMES = [(kind, name) for kind in KINDS for name in list_encoders(kind)]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_encoder_is_of_its_kind_and_known_by_its_name(kind, name):
    encoder = build_encoder(name)
    assert isinstance(encoder, KINDS[kind])
    assert encoder.name == name and encoder.kind == kind
    assert encoder.identity.startswith(name) and encoder.identity == build_encoder(name).identity


def test_identities_differ():
    assert len({build_encoder(name).identity for _, name in NAMES}) == len(NAMES)


def test_defaults_need_no_download():
    assert {kind: default_encoder(kind) for kind in KINDS} == {
        "image": "efficientnet_lite0",
        "prompt": "minilm",
        "image_prompt": "conse",
    }


def test_the_size_is_part_of_the_name():
    encoder = build_encoder("efficientnet_lite0@384")
    assert isinstance(encoder, ImageEncoder)
    assert (encoder.name, encoder.size) == ("efficientnet_lite0@384", 384)
    assert build_encoder("efficientnet_lite0@224").name == "efficientnet_lite0"


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0@100", "efficientnet_lite0@", "efficientnet_lite0@x", "efficientnet_lite0@0"]
)
def test_a_size_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match="multiple of 32 pixels"):
        build_encoder(name)


def test_only_images_have_a_size():
    with pytest.raises(ValueError, match="only image encoders"):
        build_encoder("minilm@384")


def test_near_matches_are_named():
    with pytest.raises(UnknownNameError, match="did you mean efficientnet_lite0"):
        build_encoder("efficientnet_lite")
    with pytest.raises(UnknownNameError, match="image_prompt"):
        list_encoders("picture_prompt")
