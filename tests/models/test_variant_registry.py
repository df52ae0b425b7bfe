import pytest
import torch

from models import UnknownNameError, build_variant, list_variants, variant_info
from models.registry import register_variant

SHAPES = {"prompt.embedding": (64,), "image_prompt.embedding": (12,), "image.statistics": (10,)}


def test_the_variants_of_the_paper_and_the_control_are_there():
    assert set(list_variants()) >= {
        "image_hyper",
        "image_text_hyper",
        "text_hyper",
        "semantic_hyper",
        "hybrid_hyper",
        "criteria_hyper",
        "imagereward_head",
        "plain_head",
    }


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
    def text_hyper(shapes): ...

    with pytest.raises(ValueError, match="twice"):
        register_variant(hypernet_sees=(), target_net_sees=(), targets=None)(text_hyper)


@pytest.mark.parametrize("name", list_variants())
def test_every_variant_describes_itself(name):
    info = variant_info(name)
    assert info.name == name and info.summary.endswith(".") and info.reads


def test_a_default_of_no_parameter_is_refused():
    def misspelt(shapes): ...

    with pytest.raises(ValueError, match="no parameter wdiths"):
        register_variant(hypernet_sees=(), target_net_sees=(), targets=None, wdiths=(3,))(misspelt)


RESNET50 = {
    "image.map": (2048, 7, 7),
    "image.level1": (256, 8, 8),
    "image.level2": (512, 4, 4),
    "image.level3": (1024, 2, 2),
    "image.level4": (2048, 1, 1),
    "image.statistics": (7680,),
    "prompt.embedding": (768,),
}


@pytest.mark.parametrize(
    ("name", "text_width", "input_width", "n_generated"),
    [
        ("image_hyper", 768, 224, 33_545),  # hyperIQA
        ("text_hyper", 672, 672, 97_025),  # the author's, before BLIP's width was put right
        ("text_hyper", 768, 768, 109_313),
        ("image_text_hyper", 672, 672, 83_721),
        ("semantic_hyper", 768, 992, 119_561),
        ("hybrid_hyper", 672, 1344, 158_985),
    ],
)
def test_the_defaults_are_the_papers_sizes(name, text_width, input_width, n_generated):
    with torch.device("meta"):
        model = build_variant(name, {**RESNET50, "image_prompt.embedding": (text_width,)})
    assert model.stem.width == input_width
    assert model.hypernet is not None and model.hypernet.n_generated == n_generated
    assert not list(model.target_net.static)


def test_imagereward_head_is_linear_and_starts_as_published():
    model = build_variant("imagereward_head", {"image_prompt.embedding": (768,)})
    assert model.target_net.layers == ((768, 1024), (1024, 128), (128, 64), (64, 16), (16, 1))
    assert [layer.p for layer in model.target_net.dropouts] == [0.2, 0.2, 0.1, 0.0]
    first = model.target_net.static[0]
    assert abs(float(first.weight.detach().std()) * 769 - 1) < 0.02 and not first.bias.any()
    model.eval()
    x, y = torch.randn(2, 5, 768, dtype=torch.float32)
    with torch.no_grad():
        model.target_net.static.apply(lambda layer: layer.reset_parameters() if hasattr(layer, "weight") else None)
        scores = [model({"image_prompt.embedding": v}) for v in (x, y, x + y, torch.zeros(5, 768))]
    torch.testing.assert_close(scores[0] + scores[1] - scores[3], scores[2], atol=1e-5, rtol=1e-4)
