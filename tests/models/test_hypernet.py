from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.hypernet import HyperNet
from models.target_net import TargetNet
from models.unknown_name import UnknownNameError

HYPERIQA = tuple(pairwise((224, 112, 56, 28, 14, 1)))
VECTOR, MAP = (11,), (5, 7, 7)


def randomize(net: nn.Module) -> None:
    """Set all parameters to random values, so that no comparison holds because both sides are zero."""
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)


def values_of(head: nn.Module, condition_map: Tensor | None, vector: Tensor, sample: int) -> Tensor:
    """Compute one head's values for one sample from its parameters."""
    layer = head.values
    if isinstance(layer, nn.Conv2d):
        assert condition_map is not None
        one = condition_map[sample : sample + 1] * head.gain
        flat = F.conv2d(one, layer.weight, layer.bias, padding=1).reshape(-1)
    else:
        flat = layer.weight @ vector[sample] * head.gain + layer.bias
    wanted = torch.Size(head.shape).numel()
    return flat[:wanted].reshape(head.shape)


def naive(target: TargetNet, hypernet: HyperNet, condition: Tensor, x: Tensor) -> Tensor:
    """Compute the whole net by a loop over samples, with every weight matrix materialized."""
    made = hypernet.trunk(condition)
    outputs = []
    for sample in range(len(x)):
        y = x[sample]
        for index, layer in enumerate(hypernet.layers):
            if index:
                y = target.activation(y)
            if hasattr(layer, "left"):
                left = values_of(layer.left, made.map, made.vector, sample)
                weight = left @ values_of(layer.right, made.map, made.vector, sample)
            else:
                weight = values_of(layer.weight, made.map, made.vector, sample)
            bias = values_of(layer.bias, made.map, made.vector, sample)
            if target.static:
                weight, bias = weight + target.static[index].weight, bias + target.static[index].bias
            y = F.linear(y, weight, bias)
        outputs.append(y)
    return torch.stack(outputs)


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(1, 23), min_size=2, max_size=5),
    rank=st.integers(0, 5),
    generation=st.sampled_from(["direct", "residual"]),
    shape=st.sampled_from([VECTOR, MAP, (3, 4, 6)]),
    hidden=st.sampled_from([(), (9,)]),
    seed=st.integers(0, 100),
)
def test_batched_weights_agree_with_a_loop_over_samples(widths, rank, generation, shape, hidden, seed):
    torch.manual_seed(seed)
    target = TargetNet(widths, static=generation == "residual", activation="tanh").double()
    hypernet = HyperNet(
        "c",
        shape,
        target.layers,
        generation=generation,
        rank=rank,
        condition_width=6,
        condition_hidden=hidden,
    ).double()
    randomize(target), randomize(hypernet)
    condition, x = torch.randn(4, *shape).double(), torch.randn(4, widths[0]).double()
    # HyperNet converts features to single precision first; the comparison starts after that.
    generated = [layer(hypernet.trunk(condition)) for layer in hypernet.layers]
    torch.testing.assert_close(target(x, generated), naive(target, hypernet, condition, x))


def test_hyperiqa_has_its_sizes():
    hypernet = HyperNet(
        "c", (2048, 7, 7), HYPERIQA, generation="direct", condition_width=112, condition_hidden=(1024, 512)
    )
    assert hypernet.n_generated == 33_545
    convolutions = [layer.weight.values for layer in hypernet.layers[:-1]]
    assert [c.out_channels for c in convolutions] == [n_in * n_out // 49 for n_in, n_out in HYPERIQA[:-1]]
    last = hypernet.layers[-1]
    linear = [last.weight.values, *(layer.bias.values for layer in hypernet.layers)]
    assert all(isinstance(head, nn.Linear) and head.in_features == 112 for head in linear)


@pytest.mark.parametrize("shape", [VECTOR, MAP])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_residual_starts_at_exactly_zero_and_still_learns(shape, rank):
    hypernet = HyperNet("c", shape, ((10, 6), (6, 1)), generation="residual", rank=rank)
    condition = {"c": torch.randn(3, *shape)}
    generated = hypernet(condition)
    for layer in generated:
        weight, bias = layer.materialize()
        assert not weight.any() and not bias.any()

    (generated[0].apply(torch.randn(3, 10)).sum() + generated[1].apply(torch.randn(3, 6)).sum()).backward()
    for layer in hypernet.layers:
        starts_at_zero = layer.left if rank else layer.weight
        assert starts_at_zero.values.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(300,), (300, 7, 7)])
@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("condition_width", [8, 128])
def test_direct_generation_keeps_the_scale_of_its_input(shape, rank, condition_width):
    torch.manual_seed(0)
    hypernet = HyperNet(
        "c", shape, ((200, 100), (100, 50)), generation="direct", rank=rank, condition_width=condition_width
    )
    layer = hypernet({"c": torch.randn(64, *shape)})[0]
    assert 0.5 < layer.apply(torch.randn(64, 200)).std() < 1.5


@pytest.mark.parametrize("shape", [VECTOR, MAP])
@pytest.mark.parametrize("condition_width", [8, 128])
def test_a_step_moves_generated_values_as_far_as_static_ones(shape, condition_width):
    """The reference is Adam's first step of a static weight, for every width of the conditioning."""
    torch.manual_seed(0)
    hypernet = HyperNet("c", shape, ((30, 20),), condition_width=condition_width)
    condition = {"c": torch.randn(1, *shape)}
    lr = 1e-3
    optimizer = torch.optim.Adam(hypernet.parameters(), lr=lr)
    weight, _ = hypernet(condition)[0].materialize()
    (weight * torch.randn_like(weight)).sum().backward()
    optimizer.step()
    moved = (hypernet(condition)[0].materialize()[0] - weight).abs().median()
    assert 0.5 * lr < moved < 4 * lr


def test_every_sample_gets_weights_of_its_own():
    hypernet = HyperNet("c", MAP, ((10, 6),), generation="direct", rank=2)
    weight, _ = hypernet({"c": torch.randn(3, *MAP)})[0].materialize()
    assert not torch.allclose(weight[0], weight[1])


def test_rank_is_held_down_to_what_a_layer_allows():
    hypernet = HyperNet("c", VECTOR, ((10, 6), (6, 1)), rank=50)
    assert [layer.left.shape[1] for layer in hypernet.layers] == [6, 1]


def test_the_condition_is_standardised_by_the_training_rows():
    hypernet = HyperNet("c", VECTOR, ((4, 1),), generation="direct")
    rows = torch.randn(50, *VECTOR)
    hypernet.calibrate({"c": rows})
    before = hypernet({"c": rows})[0].materialize()[0]
    hypernet.calibrate({"c": 40 * rows + 7})
    after = hypernet({"c": 40 * rows + 7})[0].materialize()[0]
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"generation": "residuel"}, "did you mean residual"), ({"rank": -1}, "rank is 0")],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        HyperNet("c", VECTOR, ((4, 1),), **parameters)
    assert issubclass(UnknownNameError, ValueError)
