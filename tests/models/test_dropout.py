import pytest
import torch

from models.dropout import Dropout


@pytest.mark.parametrize("p", [0.004, 0.1, 0.5, 0.6, 0.9])
def test_values_are_dropped_with_the_probability_and_keep_their_mean(p):
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(1000, 1001))
    assert (y == 0).float().mean() == pytest.approx(p, abs=1 / 512 + 0.002)
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert len(y.unique()) == 2


def test_values_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(4000, 64)) == 0).double()
    correlations = torch.corrcoef(dropped.t()) - torch.eye(64)
    assert correlations.abs().max() < 0.08, "neighbours share a random word of 8 bytes"
    assert (dropped.mean(0) - 0.5).abs().max() < 0.04, "each byte of a word is uniform"


def test_masks_follow_the_global_generator():
    torch.manual_seed(3)
    x = torch.randn(30, 7)
    state = torch.get_rng_state()
    one = Dropout(0.5)(x)
    assert not torch.equal(Dropout(0.5)(x), one)
    torch.set_rng_state(state)
    assert torch.equal(Dropout(0.5)(x), one)


def test_gradient_has_the_mask_of_the_values():
    x = torch.ones(40, 5, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    stored = torch.ones(40, 5)
    Dropout(0.5)(stored)
    assert torch.equal(stored, torch.ones(40, 5)), "the input stays as it is"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [False, True])
def test_maps_keep_their_layout(layout, channels):
    x = torch.ones(20, 6, 3, 4).contiguous(memory_format=layout)
    y = Dropout(0.5, channels=channels)(x)
    assert y.is_contiguous(memory_format=layout)
    whole = ((y == 0).flatten(2).float().mean(2) % 1 == 0).all()
    assert bool(whole) == channels


def test_nothing_is_dropped_in_evaluation_or_at_zero():
    x = torch.randn(5, 4)
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
    assert not Dropout(1.0)(x).any()
    with pytest.raises(ValueError, match="from 0 to 1"):
        Dropout(1.5)
