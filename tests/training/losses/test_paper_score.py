import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.training.losses import LossBatch, build_loss


def log_sigmoid(x: float) -> float:
    return math.log(1 / (1 + math.exp(-x)))


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 1000))
def test_both_equal_a_loop_over_rows(make_batch, rows: int, seed: int) -> None:
    prediction, batch = make_batch(rows, 1, seed)
    errors = [float(f - s) for f, s in zip(prediction, batch.target, strict=True)]
    printed = -sum(log_sigmoid(error) for error in errors) / rows
    works = -sum(log_sigmoid(-abs(error)) for error in errors) / rows
    assert float(build_loss("score")(prediction, batch)) == pytest.approx(printed)
    assert float(build_loss("score_distance")(prediction, batch)) == pytest.approx(works)


def test_the_distance_is_least_where_the_prediction_is_right() -> None:
    target = torch.linspace(-2, 2, 9)[:, None]
    loss, batch = build_loss("score_distance"), LossBatch(target, torch.zeros(9))
    assert float(loss(target, batch)) == pytest.approx(math.log(2))
    assert all(float(loss(target + shift, batch)) > math.log(2) for shift in (-3.0, -0.01, 0.01, 3.0))


@pytest.mark.parametrize("at", [-5.0, 0.0, 5.0, 50.0])
def test_as_printed_every_prediction_is_pushed_up_even_where_it_is_far_too_high(at: float) -> None:
    prediction = torch.full((4, 1), at, dtype=torch.float64, requires_grad=True)
    build_loss("score")(prediction, LossBatch(torch.zeros(4, 1, dtype=torch.float64), torch.zeros(4))).backward()
    assert prediction.grad is not None and bool((prediction.grad < 0).all())


def trained_bias(loss: str, steps: int) -> float:
    """Return the mean excess of a linear model's predictions over the scores after `steps` steps."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(64, 3, generator=generator)
    target = features @ torch.tensor([[0.8], [-0.5], [0.3]])
    model = torch.nn.Linear(3, 1)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    batch = LossBatch(target, torch.zeros(64))
    for _ in range(steps):
        optimizer.zero_grad()
        build_loss(loss)(model(features), batch).backward()
        optimizer.step()
    return float((model(features) - target).detach().mean())


def test_as_printed_training_drives_the_scores_up_without_end() -> None:
    biases = [trained_bias("score", steps) for steps in (50, 200, 800, 3200)]
    assert biases[0] > 1
    assert all(later > earlier + 1 for earlier, later in zip(biases, biases[1:], strict=False))
    assert abs(trained_bias("score_distance", 800)) < 0.02
    assert 0 < trained_bias("mse+0.1*score", 800) < 0.1
