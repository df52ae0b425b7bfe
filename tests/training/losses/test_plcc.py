import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.training.losses import LossBatch, build_loss
from orchestrator.training.metrics import plcc


@settings(deadline=None)
@given(st.integers(3, 20), st.integers(1, 3), st.integers(0, 1000))
def test_is_one_minus_the_correlation_of_each_target(make_batch, rows: int, targets: int, seed: int) -> None:
    prediction, batch = make_batch(rows, targets, seed)
    losses = []
    for t in range(targets):
        x, y = prediction[:, t].numpy(), batch.target[:, t].numpy()
        correlation = plcc(x, y)
        # The loss adds 1e-8 to both variances, which counts if one of them is tiny.
        shrinkage = np.sqrt(x.var() * y.var() / ((x.var() + 1e-8) * (y.var() + 1e-8)))
        losses.append(1 - correlation * shrinkage if np.isfinite(correlation) else 1)
    expected = np.mean(losses)
    assert float(build_loss("plcc")(prediction, batch)) == pytest.approx(expected, abs=1e-6)


def test_ignores_level_and_spread(make_batch) -> None:
    prediction, batch = make_batch()
    loss = build_loss("plcc")
    assert float(loss(5 * prediction - 3, batch)) == pytest.approx(float(loss(prediction, batch)), abs=1e-6)
    assert float(loss(batch.target, batch)) == pytest.approx(0, abs=1e-6)
    assert float(loss(-batch.target, batch)) == pytest.approx(2, abs=1e-6)


def test_of_a_constant_batch_it_is_one() -> None:
    varied, constant = torch.tensor([[0.0], [1.0], [2.0]]), torch.ones(3, 1, requires_grad=True)
    loss = build_loss("plcc")(constant, LossBatch(varied, torch.zeros(3)))
    loss.backward()
    assert loss.item() == 1
    assert constant.grad is not None and constant.grad[0] > 0 > constant.grad[2], "the way out is towards the scores"
    prediction = varied.clone().requires_grad_()
    loss = build_loss("plcc")(prediction, LossBatch(torch.ones(3, 1), torch.zeros(3)))
    loss.backward()
    assert loss.item() == 1 and torch.equal(prediction.grad, torch.zeros(3, 1))
