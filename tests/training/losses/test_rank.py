import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.training.losses import LossBatch, build_loss


def naive_rank(prediction: torch.Tensor, target: torch.Tensor, prompt_ids: torch.Tensor) -> float:
    losses = [
        -math.log(1 / (1 + math.exp(-float(prediction[i] - prediction[j]))))
        for i in range(len(prediction))
        for j in range(len(prediction))
        if prompt_ids[i] == prompt_ids[j] and target[i] > target[j]
    ]
    return sum(losses) / len(losses) if losses else 0.0


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 3), st.integers(0, 1000))
def test_equals_a_loop_over_pairs(make_batch, rows: int, targets: int, seed: int) -> None:
    prediction, batch = make_batch(rows, targets, seed)
    each = [naive_rank(prediction[:, t], batch.target[:, t], batch.prompt_ids) for t in range(targets)]
    assert float(build_loss("rank")(prediction, batch)) == pytest.approx(sum(each) / targets)


def test_without_a_pair_it_is_zero_with_a_zero_gradient() -> None:
    prediction = torch.randn(3, 1, requires_grad=True)
    loss = build_loss("rank")(prediction, LossBatch(torch.randn(3, 1), torch.arange(3)))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None and torch.equal(prediction.grad, torch.zeros(3, 1))


def test_withstands_a_large_margin() -> None:
    prediction = torch.tensor([[-1e4], [1e4]], requires_grad=True)
    loss = build_loss("rank")(prediction, LossBatch(torch.tensor([[1.0], [0.0]]), torch.zeros(2)))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert torch.equal(prediction.grad, torch.tensor([[-1.0], [1.0]]))
