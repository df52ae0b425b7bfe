"""Requirements of every registered loss."""

import pytest
import torch

from orchestrator.training.losses import LossBatch, build_loss, list_losses


def one_prompt(target: torch.Tensor) -> LossBatch:
    return LossBatch(target, torch.zeros(len(target)), torch.full_like(target, 0.5))


@pytest.mark.parametrize("name", list_losses())
def test_gradient_agrees_with_finite_differences(name: str, make_batch) -> None:
    prediction, batch = make_batch()
    loss = build_loss(name)
    assert torch.autograd.gradcheck(lambda x: loss(x, batch), prediction.requires_grad_())


@pytest.mark.parametrize("name", list_losses())
def test_a_perfect_order_beats_the_reverse(name: str) -> None:
    target = torch.linspace(-1, 1, 8)[:, None]
    loss, batch = build_loss(name), one_prompt(target)
    assert float(loss(target, batch)) < float(loss(-target, batch))


@pytest.mark.parametrize("name", list_losses())
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4, 1e15])
@pytest.mark.parametrize("rows", [1, 6])
def test_loss_and_gradient_are_finite_for_predictions_of_any_size(name: str, size: float, rows: int) -> None:
    """Constant batches and single rows included; mse's own overflow is beyond these sizes."""
    generator = torch.Generator().manual_seed(0)
    for target in (torch.randn(rows, 1, generator=generator), torch.ones(rows, 1)):
        prediction = (size * torch.randn(rows, 1, generator=generator)).requires_grad_()
        loss = build_loss(name)(prediction, LossBatch(target, torch.zeros(rows), torch.zeros(rows, 1)))
        loss.backward()
        assert prediction.grad is not None
        assert torch.isfinite(loss) and bool(torch.isfinite(prediction.grad).all())


@pytest.mark.parametrize("name", list_losses())
def test_a_prediction_that_is_not_finite_is_not_hidden(name: str) -> None:
    target = torch.linspace(-1, 1, 8)[:, None]
    prediction = target.clone()
    prediction[3] = torch.nan
    assert not torch.isfinite(build_loss(name)(prediction, one_prompt(target)))


@pytest.mark.parametrize("name", [name for name in list_losses() if name != "score"])
def test_descent_on_the_predictions_themselves_finds_the_order(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.linspace(-1, 1, 8)[:, None]
    prediction = torch.randn(8, 1, generator=generator).requires_grad_()
    optimizer = torch.optim.Adam([prediction], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        build_loss(name)(prediction, one_prompt(target)).backward()
        optimizer.step()
    assert torch.equal(prediction.detach()[:, 0].argsort(), torch.arange(8))
