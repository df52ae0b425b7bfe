import pytest

from models import UnknownNameError, build_variant, list_variants, variant_info
from models.registry import register_variant

SHAPES = {"prompt.embedding": (8,), "image_prompt.embedding": (12,), "image.statistics": (10,)}


def test_the_variants_of_the_paper_and_the_control_are_there():
    assert {"image_hyper", "text_hyper", "plain_head"} <= set(list_variants())


def test_near_matches_are_named():
    with pytest.raises(UnknownNameError, match="did you mean text_hyper"):
        build_variant("text_hiper", SHAPES)
    with pytest.raises(UnknownNameError, match="'rnak'; did you mean rank"):
        build_variant("text_hyper", SHAPES, rnak=2)


def test_a_missing_feature_is_named():
    with pytest.raises(ValueError, match=r"image_hyper reads image.level1, but .*prompt.embedding"):
        build_variant("image_hyper", SHAPES)


def test_the_control_has_the_variants_parameters_less_the_hypernets():
    variant, control = variant_info("text_hyper"), variant_info("plain_head", of="text_hyper")
    assert set(control.parameters) - {"of"} == set(variant.parameters) - set(variant.hypernet_parameters)
    assert "rank" in variant.hypernet_parameters and "widths" in control.parameters
    assert control.reads == variant.target_net_sees
    with pytest.raises(UnknownNameError, match="rank"):
        build_variant("plain_head", SHAPES, of="text_hyper", rank=2)


def test_the_control_needs_only_what_the_target_net_sees():
    build_variant("plain_head", {key: SHAPES[key] for key in SHAPES if key != "prompt.embedding"}, of="text_hyper")


def test_the_control_is_not_its_own_control():
    with pytest.raises(ValueError, match="not of itself"):
        build_variant("plain_head", SHAPES, of="plain_head")


def test_a_name_is_taken_once():
    def text_hyper() -> None: ...

    with pytest.raises(ValueError, match="twice"):
        register_variant(hypernet_sees=(), target_net_sees=(), targets=None)(text_hyper)


@pytest.mark.parametrize("name", list_variants())
def test_every_variant_describes_itself(name):
    info = variant_info(name)
    assert info.name == name and info.summary.endswith(".") and info.reads
