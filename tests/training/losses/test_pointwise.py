import pytest
import torch
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from orchestrator.training.losses import LossBatch, build_loss


def test_by_hand() -> None:
    prediction, batch = torch.tensor([[0.0], [3.0]]), LossBatch(torch.tensor([[0.5], [0.0]]), torch.zeros(2))
    assert float(build_loss("l1")(prediction, batch)) == pytest.approx((0.5 + 3) / 2)
    assert float(build_loss("mse")(prediction, batch)) == pytest.approx((0.25 + 9) / 2)
    assert float(build_loss("huber")(prediction, batch)) == pytest.approx((0.125 + 2.5) / 2)


@pytest.mark.parametrize(("name", "reference"), [("l1", l1_loss), ("mse", mse_loss), ("huber", huber_loss)])
def test_of_one_target_it_is_torchs_own_to_the_last_bit(name: str, reference) -> None:
    generator = torch.Generator().manual_seed(0)
    for rows in (1, 7, 64, 131):
        ours, theirs = (torch.randn(rows, 1, generator=generator.manual_seed(rows)).requires_grad_() for _ in range(2))
        target = torch.randn(rows, 1, generator=generator)
        found = build_loss(f"0.3*{name}")(ours, LossBatch(target, torch.zeros(rows)))
        expected = 0.3 * reference(theirs, target)
        found.backward()
        expected.backward()
        assert torch.equal(found, expected) and torch.equal(ours.grad, theirs.grad)
