import math
from dataclasses import replace
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.errors import InputError
from orchestrator.training.losses import LossBatch, build_loss

PHI = NormalDist().cdf


def naive_fidelity(prediction: torch.Tensor, target: torch.Tensor, std: torch.Tensor) -> float:
    f, s, sigma = prediction.tolist(), target.tolist(), std.tolist()
    losses = []
    for i in range(len(f)):
        for j in range(i):
            spread = math.sqrt(sigma[i] ** 2 + sigma[j] ** 2)
            p, q = PHI((s[i] - s[j]) / spread), PHI((f[i] - f[j]) / spread)
            losses.append(1 - math.sqrt(p * q) - math.sqrt((1 - p) * (1 - q)))
    return sum(losses) / len(losses) if losses else 0.0


@settings(deadline=None)
@given(st.integers(1, 16), st.integers(1, 3), st.integers(0, 1000))
def test_equals_a_loop_over_pairs(make_batch, rows: int, targets: int, seed: int) -> None:
    prediction, batch = make_batch(rows, targets, seed)
    each = [naive_fidelity(prediction[:, t], batch.target[:, t], batch.std[:, t]) for t in range(targets)]
    assert float(build_loss("fidelity")(prediction, batch)) == pytest.approx(sum(each) / targets, abs=1e-9)


def test_is_zero_where_the_prediction_is_right_and_near_one_where_it_is_certainly_wrong(make_batch) -> None:
    _, batch = make_batch()
    assert float(build_loss("fidelity")(batch.target, batch)) == pytest.approx(0, abs=1e-12)
    far = LossBatch(torch.tensor([[-9.0], [9.0]]), torch.zeros(2), torch.full((2, 1), 0.5))
    assert float(build_loss("fidelity")(-far.target, far)) == pytest.approx(1)


def test_counts_pairs_of_two_prompts_as_well(make_batch) -> None:
    prediction, batch = make_batch()
    apart = replace(batch, prompt_ids=torch.arange(12))
    assert torch.equal(build_loss("fidelity")(prediction, batch), build_loss("fidelity")(prediction, apart))


def test_an_inverted_pair_costs_less_where_raters_differ_more() -> None:
    target = torch.tensor([[-0.5], [0.5]])
    losses = [
        float(build_loss("fidelity")(-target, LossBatch(target, torch.zeros(2), torch.full((2, 1), std))))
        for std in (0.1, 0.5, 2.0)
    ]
    assert losses == sorted(losses, reverse=True) and losses[0] > 4 * losses[2] > 0


def test_raters_who_all_agree_leave_something_to_learn_from() -> None:
    target = torch.tensor([[-0.3], [0.3]])
    prediction = torch.zeros(2, 1, requires_grad=True)
    build_loss("fidelity")(prediction, LossBatch(target, torch.zeros(2), torch.zeros(2, 1))).backward()
    assert prediction.grad is not None and prediction.grad[0] > 0.1 and prediction.grad[1] < -0.1


def test_missing_deviations_are_rejected(make_batch) -> None:
    prediction, batch = make_batch()
    with pytest.raises(ValueError, match="standard deviations"):
        build_loss("fidelity")(prediction, replace(batch, std=None))
    with pytest.raises(InputError, match=r"loss fidelity needs the raters' standard deviations: there are none\."):
        build_loss("huber+0.5*fidelity").check_std("there are none")
    build_loss("huber+0.5*fidelity").check_std(None)
    build_loss("huber+rank").check_std("there are none")
