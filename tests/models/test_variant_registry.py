import pytest
import torch
from torch import nn

from models import UnknownNameError, build_variant, list_variants, variant_info
from models.registry import VARIANTS, register_variant

SHAPES = {"prompt.embedding": (64,), "image_prompt.embedding": (12,), "image.statistics": (10,)}


def test_list_has_the_variants_of_the_paper_and_the_control():
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


def test_unknown_variant_or_parameter_names_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean text_hyper"):
        build_variant("text_hiper", SHAPES)
    with pytest.raises(UnknownNameError, match="'rnak': did you mean rank"):
        build_variant("text_hyper", SHAPES, rnak=2)


def test_build_names_a_missing_feature():
    with pytest.raises(ValueError, match=r"image_hyper reads image.level1, but .*prompt.embedding"):
        build_variant("image_hyper", SHAPES)


def test_control_has_the_variants_parameters_without_the_hypernets():
    variant, control = variant_info("text_hyper"), variant_info("plain_head", of="text_hyper")
    assert set(control.parameters) - {"of"} == set(variant.parameters) - set(variant.hypernet_parameters)
    assert "rank" in variant.hypernet_parameters and "widths" in control.parameters
    assert control.reads == variant.target_net_sees
    with pytest.raises(UnknownNameError, match="rank"):
        build_variant("plain_head", SHAPES, of="text_hyper", rank=2)


def test_control_needs_only_the_features_of_the_target_net():
    build_variant("plain_head", {key: SHAPES[key] for key in SHAPES if key != "prompt.embedding"}, of="text_hyper")


def test_control_is_refused_as_its_own_control():
    with pytest.raises(ValueError, match="not of itself"):
        build_variant("plain_head", SHAPES, of="plain_head")


def test_register_refuses_a_name_that_is_taken():
    def text_hyper(shapes): ...

    with pytest.raises(ValueError, match="twice"):
        register_variant(hypernet_sees=(), target_net_sees=(), targets=None)(text_hyper)


@pytest.mark.parametrize("name", list_variants())
def test_variant_has_a_summary_and_features(name):
    info = variant_info(name)
    assert info.name == name and info.summary.endswith(".") and info.reads


def test_register_refuses_a_default_of_no_parameter():
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
def test_defaults_have_the_sizes_of_the_paper(name, text_width, input_width, n_generated):
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


class OwnModel(nn.Module):
    """A whole model instead of a stem."""

    reads = ("prompt.embedding",)

    def __init__(self, width: int, n_targets: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, n_targets)

    def calibrate(self, features): ...

    def forward(self, features):
        return self.score(features["prompt.embedding"])


@pytest.fixture
def register():
    """Register a function as a variant for one test."""
    names = []

    def register(function, **settings):
        names.append(function.__name__)
        arguments = {"hypernet_sees": (), "target_net_sees": ("prompt.embedding",), "targets": None, **settings}
        register_variant(**arguments)(function)

    yield register
    for name in names:
        VARIANTS.remove(name)


def test_variant_may_return_a_model_of_its_own(register):
    def own(shapes, *, n_targets, bias=True):
        """Score the prompt."""
        return OwnModel(shapes["prompt.embedding"][0], n_targets)

    register(own)
    assert variant_info("own").parameters == {"bias": True}, "the target net's are not its own"
    model = build_variant("own", SHAPES, 3)
    assert isinstance(model, OwnModel)
    assert model({"prompt.embedding": torch.zeros(2, 64)}).shape == (2, 3)
    with pytest.raises(UnknownNameError, match="parameter of own 'widths'"):
        build_variant("own", SHAPES, widths=(8,))


def test_own_model_without_the_number_of_targets_has_no_parameters_of_a_target_net(register):
    def own(shapes, *, bias=True):
        """Score the prompt."""
        return OwnModel(shapes["prompt.embedding"][0], 1)

    register(own)
    assert isinstance(build_variant("own", SHAPES, bias=False), OwnModel)
    with pytest.raises(ValueError, match="the variant own returns a model of its own, which has no widths"):
        build_variant("own", SHAPES, widths=(8,))


class OnlyForward(nn.Module):
    """A module that lacks what a scoring model has."""

    def forward(self, features): ...


class NoForward(nn.Module):
    """A module that cannot score."""

    reads = ()

    def calibrate(self, features): ...


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (OnlyForward, "object of type OnlyForward, which is not a stem and, to be a model, lacks reads and calibrate"),
        (NoForward, "object of type NoForward, .* lacks forward"),
        (dict, "object of type dict, which is neither a stem nor a torch.nn.Module"),
    ],
)
def test_wrong_model_is_refused_by_a_sentence_that_names_what_is_missing(register, returned, message):
    def wrong(shapes):
        """Return something else."""
        return returned()

    register(wrong)
    with pytest.raises(ValueError, match=f"^the variant wrong returned an {message}$"):
        build_variant("wrong", SHAPES)
