import numpy as np
import pytest
import torch

from models.standardize import Standardizer


@pytest.mark.parametrize("shape", [(6,), (6, 7, 7)])
def test_channels_get_mean_zero_and_deviation_one(shape):
    rng = np.random.default_rng(0)
    per_channel = (6, *(1 for _ in shape[1:]))
    rows = rng.normal(size=(700, *shape)) * np.arange(1, 7).reshape(per_channel) + 3
    half = torch.from_numpy(rows).half()
    standardizer = Standardizer(shape)
    standardizer.calibrate(half)
    result = standardizer(half)
    axes = (0, *range(2, result.ndim))
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy().mean(axes), 0, atol=1e-3)
    np.testing.assert_allclose(result.numpy().std(axes), 1, atol=1e-3)


def test_a_constant_channel_becomes_zero():
    rows = torch.randn(50, 3)
    rows[:, 1] = 0.1
    standardizer = Standardizer((3,))
    standardizer.calibrate(rows)
    assert standardizer(rows)[:, 1].abs().max() < 1e-4
    assert standardizer(rows + 1)[:, 1].abs().max() < 1.01


def test_before_it_is_calibrated_nothing_changes():
    rows = torch.randn(5, 3)
    assert torch.equal(Standardizer((3,))(rows), rows)


def test_statistics_travel_with_the_state():
    first, second = Standardizer((3,)), Standardizer((3,))
    rows = torch.randn(50, 3) * 4 + 2
    first.calibrate(rows)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(rows), second(rows))
