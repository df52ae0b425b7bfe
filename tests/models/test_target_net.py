import pytest
import torch

from models.generated_layer import FullLayer, LowRankLayer
from models.generated_matrix import ValueMatrix
from models.target_net import TargetNet


def test_low_rank_and_full_layers_agree():
    torch.manual_seed(0)
    left, right, bias = ValueMatrix(torch.randn(5, 7, 2)), ValueMatrix(torch.randn(5, 2, 9)), torch.randn(5, 7)
    thin = LowRankLayer(left, right, bias)
    x = torch.randn(5, 9)
    weight, bias = thin.materialize()
    torch.testing.assert_close(thin.apply(x), FullLayer(ValueMatrix(weight), bias).apply(x))


def test_layers_are_applied_in_order_with_no_activation_after_the_last():
    net = TargetNet([3, 4, 2], activation="relu")
    x = torch.randn(6, 3)
    expected = net.static[1](torch.relu(net.static[0](x)))
    assert torch.equal(net(x), expected)
    assert (expected < 0).any()


def test_dropout_is_for_training_only():
    net = TargetNet([20, 200, 1], dropout=0.5)
    x = torch.randn(4, 20)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_without_static_weights_it_asks_for_generated_ones():
    with pytest.raises(ValueError, match="needs generated"):
        TargetNet([3, 1], static=False)(torch.randn(2, 3))


@pytest.mark.parametrize(("sizes", "activation"), [([3, 0, 1], "gelu"), ([3, 1], "gleu")])
def test_wrong_sizes_and_activations_are_refused(sizes, activation):
    with pytest.raises(ValueError, match="at least 1|did you mean"):
        TargetNet(sizes, activation=activation)
