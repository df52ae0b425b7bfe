"""Requirements of every registered variant and of its control; see also `tests/test_conformance.py`."""

from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from models import build_variant, list_variants, variant_info

SHAPES = {
    "prompt.embedding": (64,),
    "criteria.embedding": (64,),
    "image_prompt.embedding": (12,),
    "image.map": (6, 7, 7),
    "image.level1": (4, 8, 8),
    "image.level2": (5, 4, 4),
    "image.level3": (6, 2, 2),
    "image.level4": (8, 1, 1),
    "image.statistics": (10,),
}
SMALL = {
    "widths": (16,),
    "activation": "gelu",
    "dropout": 0.0,
    "standardize": True,
    "initial_std": 0.0,
    "distortion_channels": (8, 8, 8),
    "distortion_widths": (2, 2, 2, 8),
    "statistics_width": 8,
    "generation": "residual",
    "rank": 2,
    "condition_width": 32,
    "condition_hidden": (),
    "condition_grid": 0,
    "condition_standardize": True,
}
"""A small residual form; the defaults are the paper's sizes."""
HYPER = [name for name in list_variants() if variant_info(name).hypernet_sees]
CASES = [(name, {}) for name in list_variants() if name != "plain_head"] + [
    ("plain_head", {"of": name}) for name in HYPER
]
CORNERS = [
    {"widths": [], "generation": "residual", "rank": 1},
    {"widths": [5], "generation": "residual", "rank": 0},
    {"widths": [13, 7, 3], "generation": "direct", "rank": 0},
    {"widths": (64, 1), "generation": "direct", "rank": 3, "condition_width": 1},
    {
        "widths": (3,),
        "generation": "residual",
        "rank": 99,
        "condition_hidden": (5, 4),
        "condition_grid": 0,
        "activation": "sigmoid",
    },
]


def small(name: str, of: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the parameters of `SMALL` that the variant has."""
    known = variant_info(name, **(of or {})).parameters
    return {key: value for key, value in SMALL.items() if key in known}


def made(rows: int = 16, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def feature(shape: tuple[int, ...]) -> Tensor:
        if len(shape) == 1:
            return torch.randn(rows, *shape, generator=generator)
        # Places of a map have most of a channel's value in common, as they have in an image.
        channels = torch.randn(rows, shape[0], 1, 1, generator=generator)
        return channels + 0.3 * torch.randn(rows, *shape, generator=generator)

    return {name: feature(shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("corner", CORNERS, ids=str)
@pytest.mark.parametrize(("name", "of"), CASES, ids=str)
def test_it_builds_at_the_corners_of_its_parameters(name, of, corner, n_targets):
    known = variant_info(name, **of).parameters
    parameters = {key: value for key, value in corner.items() if key in known}
    model = build_variant(name, SHAPES, n_targets, **of, **parameters)
    features = made()
    model.calibrate(features)
    scores = model({feature: features[feature] for feature in model.reads})
    assert scores.shape == (16, n_targets) == (16, model.n_targets)
    assert scores.isfinite().all()
    assert set(model.reads) <= set(variant_info(name, **of).reads)


@pytest.mark.parametrize(("name", "of"), CASES, ids=str)
def test_in_the_papers_form_a_saved_model_scores_the_same_bit_for_bit_and_is_not_constant(name, of):
    features = made(seed=3)
    model = build_variant(name, SHAPES, 2, **of)
    model.calibrate(features)
    stored = save({key: value.contiguous() for key, value in model.state_dict().items()})
    twin = build_variant(name, SHAPES, 2, **of)
    twin.load_state_dict(load(stored))
    with torch.no_grad():
        scores = model.eval()(features)
        assert torch.equal(scores, twin.eval()(features))
    assert (scores.std(0) > 0).all()


@pytest.mark.parametrize("name", HYPER)
def test_initial_scores_are_those_of_the_control_bit_for_bit(name):
    features = made(seed=4)
    models = []
    for which, of in ((name, {}), ("plain_head", {"of": name})):
        torch.manual_seed(7)
        models.append(build_variant(which, SHAPES, **of, **small(which, of)))
        models[-1].calibrate(features)
        models[-1].eval()
    assert torch.equal(models[0](features), models[1](features))


@pytest.mark.parametrize("name", HYPER)
def test_gradient_reaches_all_of_the_hypernet(name):
    torch.manual_seed(0)
    model = build_variant(name, SHAPES, **small(name))
    features = made()
    model.calibrate(features)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # a low-rank residual's second factor gets a gradient once the first has moved
        optimizer.zero_grad()
        model(features).square().sum().backward()
        optimizer.step()
    hypernet = {key: value for key, value in model.named_parameters() if key.startswith("hypernet.")}
    assert hypernet
    assert [key for key, value in hypernet.items() if value.grad is None or not value.grad.any()] == []


@pytest.mark.parametrize("name", HYPER)
def test_a_samples_score_does_not_depend_on_its_batch(name):
    features = made(seed=5)
    model = build_variant(name, SHAPES, **{**small(name), "generation": "direct"}).eval()
    with torch.no_grad():
        together = model(features)
        alone = torch.cat([model({k: v[i : i + 1] for k, v in features.items()}) for i in range(16)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
