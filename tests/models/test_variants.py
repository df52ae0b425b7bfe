"""What every registered variant must do, and its control beside it."""

from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from scipy.stats import spearmanr
from torch import Tensor

from models import ScoringModel, build_variant, list_variants, variant_info

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
"""A form that learns from few rows; the defaults are the paper's sizes."""
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
    """`SMALL`, as far as the variant has it."""
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


def train(model: ScoringModel, features: dict[str, Tensor], scores: Tensor, steps: int) -> ScoringModel:
    torch.manual_seed(1)
    model.calibrate(features)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        rows = torch.randint(len(scores), (64,))
        optimizer.zero_grad()
        (model({k: v[rows] for k, v in features.items()}) - scores[rows]).square().mean().backward()
        optimizer.step()
    return model.eval()


def rule(features: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
    """A score that is linear in the means of three channels of each feature."""
    parts = [features[name].flatten(2).mean(2) if features[name].ndim > 2 else features[name] for name in names]
    score = sum(part[:, 0] - part[:, 1] + 0.5 * part[:, 2] for part in (p / p.std(0) for p in parts))
    return (score / score.std())[:, None]


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("corner", CORNERS, ids=str)
@pytest.mark.parametrize(("name", "of"), CASES, ids=str)
def test_it_builds_at_the_corners_of_its_space(name, of, corner, n_targets):
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
def test_it_learns_a_planted_rule(name, of):
    torch.manual_seed(0)
    model = build_variant(name, SHAPES, **of, **small(name, of))
    seen = variant_info(name, **of).target_net_sees[-1:]
    features, fresh = made(600, seed=1), made(200, seed=2)
    train(model, features, rule(features, seen), steps=150)
    with torch.no_grad():
        found = spearmanr(model(fresh)[:, 0], rule(fresh, seen)[:, 0]).statistic
    assert found > 0.9


@pytest.mark.parametrize("name", HYPER)
def test_the_hypernet_learns_what_a_plain_head_cannot(name):
    """The condition decides the sign of the rule; the control, which does not see it, stays near 0."""
    (condition,) = variant_info(name).hypernet_sees
    seen = variant_info(name).target_net_sees[-1:]
    features, fresh = made(2000, seed=1), made(200, seed=2)
    found = {}

    def flipped(rows: dict[str, Tensor]) -> Tensor:
        return rule(rows, seen) * rule(rows, (condition,)).sign()

    for which, of in ((name, {}), ("plain_head", {"of": name})):
        torch.manual_seed(0)
        model = build_variant(which, SHAPES, **of, **small(which, of))
        train(model, features, flipped(features), steps=400)
        with torch.no_grad():
            found[which] = spearmanr(model(fresh)[:, 0], flipped(fresh)[:, 0]).statistic
    assert found[name] > 0.6
    assert abs(found["plain_head"]) < 0.3


@pytest.mark.parametrize("form", ["small", "paper"])
@pytest.mark.parametrize(("name", "of"), CASES, ids=str)
def test_a_saved_model_scores_the_same_bit_for_bit_and_is_not_constant(name, of, form):
    parameters = small(name, of) if form == "small" else {}
    features = made(seed=3)
    model = build_variant(name, SHAPES, 2, **of, **parameters)
    model.calibrate(features)
    stored = save({key: value.contiguous() for key, value in model.state_dict().items()})
    twin = build_variant(name, SHAPES, 2, **of, **parameters)
    twin.load_state_dict(load(stored))
    with torch.no_grad():
        scores = model.eval()(features)
        assert torch.equal(scores, twin.eval()(features))
    assert (scores.std(0) > 0).all()


@pytest.mark.parametrize("name", HYPER)
def test_at_the_start_it_is_its_control_bit_for_bit(name):
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
