import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.training.losses import build_loss, list_losses


def batch(rows: int = 12, targets: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(rows, targets, generator=generator, dtype=torch.float64)
    target = torch.randn(rows, targets, generator=generator, dtype=torch.float64).mul(2).round().div(2)
    return prediction, target, torch.randint(0, 4, (rows,), generator=generator)


def naive_rank(prediction: torch.Tensor, target: torch.Tensor, prompt_ids: torch.Tensor) -> float:
    losses = [
        -math.log(1 / (1 + math.exp(-float(prediction[i, t] - prediction[j, t]))))
        for t in range(prediction.shape[1])
        for i in range(len(prediction))
        for j in range(len(prediction))
        if prompt_ids[i] == prompt_ids[j] and target[i, t] > target[j, t]
    ]
    return sum(losses) / len(losses) if losses else 0.0


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 3), st.integers(0, 1000))
def test_rank_equals_a_loop_over_pairs(rows: int, targets: int, seed: int) -> None:
    prediction, target, prompts = batch(rows, targets, seed)
    loss = build_loss("rank")(prediction, target, prompts)
    assert float(loss) == pytest.approx(naive_rank(prediction, target, prompts))


def test_rank_without_a_pair_is_zero_with_a_zero_gradient() -> None:
    prediction = torch.randn(3, 1, requires_grad=True)
    loss = build_loss("rank")(prediction, torch.randn(3, 1), torch.arange(3))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None and torch.equal(prediction.grad, torch.zeros(3, 1))


def test_rank_withstands_a_large_margin() -> None:
    prediction = torch.tensor([[-1e4], [1e4]], requires_grad=True)
    loss = build_loss("rank")(prediction, torch.tensor([[1.0], [0.0]]), torch.zeros(2))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert torch.equal(prediction.grad, torch.tensor([[-1.0], [1.0]]))


@pytest.mark.parametrize("name", list_losses())
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    prediction, target, prompts = batch()
    loss = build_loss(name)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, prompts), prediction.requires_grad_())


@pytest.mark.parametrize("name", list_losses())
def test_a_perfect_order_beats_the_reverse(name: str) -> None:
    target = torch.linspace(-1, 1, 8)[:, None]
    loss, prompts = build_loss(name), torch.zeros(8)
    assert float(loss(target, target, prompts)) < float(loss(-target, target, prompts))


def test_pointwise_losses_by_hand() -> None:
    prediction, target, prompts = torch.tensor([[0.0], [3.0]]), torch.tensor([[0.5], [0.0]]), torch.zeros(2)
    assert float(build_loss("l1")(prediction, target, prompts)) == pytest.approx((0.5 + 3) / 2)
    assert float(build_loss("mse")(prediction, target, prompts)) == pytest.approx((0.25 + 9) / 2)
    assert float(build_loss("huber")(prediction, target, prompts)) == pytest.approx((0.125 + 2.5) / 2)


def test_a_mix_is_the_weighted_sum() -> None:
    rows = batch()
    expected = 0.5 * build_loss("l1")(*rows) + build_loss("huber")(*rows) + 0.3 * build_loss("rank")(*rows)
    assert float(build_loss("0.5*l1 + huber+0.3*rank")(*rows)) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("hubber", "did you mean huber"),
        ("huber+0.3*rnk", "did you mean rank"),
        ("", "there are"),
        ("x*huber", "number above 0"),
        ("-1*huber", "number above 0"),
        ("nan*huber", "number above 0"),
    ],
)
def test_a_wrong_mix_is_refused_in_a_sentence(mix: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_loss(mix)
