import pytest
import torch

from orchestrator.core.errors import InputError
from orchestrator.training.losses import LossBatch, build_loss, list_losses


def test_a_mix_is_the_weighted_sum(make_batch) -> None:
    rows = make_batch()
    expected = 0.5 * build_loss("l1")(*rows) + build_loss("huber")(*rows) + 0.3 * build_loss("rank")(*rows)
    assert float(build_loss("0.5*l1 + huber+0.3*rank")(*rows)) == pytest.approx(float(expected))


def alone(prediction: torch.Tensor, batch: LossBatch, column: int) -> tuple[torch.Tensor, LossBatch]:
    part = slice(column, column + 1)
    return prediction[:, part], LossBatch(batch.target[:, part], batch.prompt_ids, batch.std[:, part])


@pytest.mark.parametrize("name", [*list_losses(), "mse+0.5*rank"])
@pytest.mark.parametrize("weights", [(), (2.0, 1.0, 0.5), (20.0, 10.0, 5.0)])
def test_every_target_is_reduced_by_itself_and_then_weighted(name: str, weights: tuple[float, ...], make_batch) -> None:
    prediction, batch = make_batch(targets=3)
    each = [float(build_loss(name)(*alone(prediction, batch, column))) for column in range(3)]
    shares = weights or (1.0, 1.0, 1.0)
    expected = sum(weight * loss for weight, loss in zip(shares, each, strict=True)) / sum(shares)
    assert float(build_loss(name, weights)(prediction, batch)) == pytest.approx(expected)


def test_a_targets_gradient_is_in_proportion_to_its_weight(make_batch) -> None:
    prediction, batch = make_batch()
    prediction.requires_grad_()
    gradients = []
    for weights in ((1.0, 1.0), (3.0, 1.0)):
        (gradient,) = torch.autograd.grad(build_loss("mse+rank", weights)(prediction, batch), prediction)
        gradients.append(gradient)
    equal, weighted = gradients
    assert torch.allclose(weighted[:, 0], 1.5 * equal[:, 0]) and torch.allclose(weighted[:, 1], 0.5 * equal[:, 1])


def test_a_single_target_has_its_loss_whatever_its_weight(make_batch) -> None:
    rows = make_batch(targets=1)
    assert torch.equal(build_loss("mse+rank", (7.0,))(*rows), build_loss("mse+rank")(*rows))


def test_as_many_weights_as_targets(make_batch) -> None:
    with pytest.raises(ValueError, match="3 target weights for 2 targets"):
        build_loss("mse", (1.0, 1.0, 1.0))(*make_batch())


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
