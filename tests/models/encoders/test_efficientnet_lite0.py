import copy
import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from models.encoders import build_encoder
from models.encoders.efficientnet_lite0 import _weights_file, load_network

# Kernel, stride, output channels and repeats of EfficientNet-Lite0's seven blocks (Tan and Le, 2019).
BLOCKS = [
    (3, 1, 16, 1),
    (3, 2, 24, 2),
    (5, 2, 40, 2),
    (3, 2, 80, 3),
    (5, 1, 112, 3),
    (5, 2, 192, 4),
    (3, 1, 320, 1),
]


def pictures(size: int, count: int = 3) -> list[Image.Image]:
    """Smooth colour fields with some noise; different from one another."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return [Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC) for field in coarse]


def pixels_of(encoder, size: int = 300) -> Tensor:
    return torch.from_numpy(np.stack([encoder.preprocess(picture) for picture in pictures(size)]))


def original_layout(weights: dict[str, Tensor], x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the blocks' outputs and class probabilities, with the checkpoint's own names of its tensors."""

    def convolve(x: Tensor, name: str, stride: int = 1, depthwise: bool = False) -> Tensor:
        weight = weights[f"{name}.weight"]
        kernel, size = weight.shape[-1], x.shape[-1]
        padding = max((-(-size // stride) - 1) * stride + kernel - size, 0)  # TensorFlow's "same"
        x = F.pad(x, (padding // 2, padding - padding // 2) * 2)
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1] if depthwise else 1)

    def normalise(x: Tensor, name: str) -> Tensor:
        mean, variance, gain, bias = (
            weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-3) * gain + bias

    x = F.relu6(normalise(convolve(x, "_conv_stem", stride=2), "_bn0"))
    outputs, index = [], 0
    for _, first_stride, _, repeats in BLOCKS:
        for repeat in range(repeats):
            name, stride, shortcut = f"_blocks.{index}", first_stride if repeat == 0 else 1, x
            if f"{name}._expand_conv.weight" in weights:
                x = F.relu6(normalise(convolve(x, f"{name}._expand_conv"), f"{name}._bn0"))
            x = F.relu6(normalise(convolve(x, f"{name}._depthwise_conv", stride, depthwise=True), f"{name}._bn1"))
            x = normalise(convolve(x, f"{name}._project_conv"), f"{name}._bn2")
            if x.shape == shortcut.shape:
                x = x + shortcut
            index += 1
        outputs.append(x)
    x = F.relu6(normalise(convolve(x, "_conv_head"), "_bn1"))
    outputs.append(x)
    return outputs, (x.mean((2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]).softmax(1)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return torch.load(_weights_file(), map_location="cpu", weights_only=True)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite0@96"])
def test_encoding_agrees_with_the_original_layout(weights, name):
    encoder = build_encoder(name)
    pixels = pixels_of(encoder)
    stages, probabilities = original_layout(weights, (pixels / 255 - 0.5) / 0.5)
    arrays = encoder.encode(pixels)
    torch.testing.assert_close(arrays["probs"], probabilities, rtol=1e-3, atol=1e-6)
    pooled = {"map": (6, 7), "level1": (1, 8), "level2": (2, 4), "level3": (4, 2), "level4": (7, 1)}
    for array, (stage, grid) in pooled.items():
        expected = F.adaptive_avg_pool2d(stages[stage], grid)
        torch.testing.assert_close(arrays[array], expected, rtol=1e-3, atol=1e-3)
    statistics = [stage.mean((2, 3)) for stage in stages] + [stage.std((2, 3), correction=0) for stage in stages]
    torch.testing.assert_close(arrays["statistics"], torch.cat(statistics, 1), rtol=1e-3, atol=1e-3)


def test_at_224_pixels_levels_are_7_by_7_averages_as_in_hyperiqa(weights):
    encoder = build_encoder("efficientnet_lite0")
    pixels = pixels_of(encoder)
    stages, _ = original_layout(weights, pixels / 127.5 - 1)
    arrays = encoder.encode(pixels)
    for level, stage in zip(("level1", "level2", "level3", "level4"), (1, 2, 4, 7), strict=True):
        expected = F.avg_pool2d(stages[stage], 7, stride=7)
        torch.testing.assert_close(arrays[level], expected, rtol=1e-3, atol=1e-3)


def test_every_tensor_is_found_by_its_position(weights):
    own = load_network().state_dict()
    assert len(own) == len(weights) == 296
    assert [tensor.shape for tensor in own.values()] == [tensor.shape for tensor in weights.values()]


@pytest.mark.parametrize("size", [64, 224])
def test_shapes_do_not_depend_on_the_size(size):
    encoder = build_encoder(f"efficientnet_lite0@{size}")
    pixels = pixels_of(encoder)
    assert pixels.shape == (3, 3, size, size) and pixels.dtype == torch.uint8
    arrays = encoder.encode(pixels)
    assert {name: tuple(array.shape[1:]) for name, array in arrays.items()} == encoder.shapes
    assert all(array.dtype == torch.float32 and array.isfinite().all() for array in arrays.values())
    assert encoder.shapes == build_encoder("efficientnet_lite0").shapes


def test_encoding_is_deterministic_and_differs_between_images():
    encoder = build_encoder("efficientnet_lite0@64")
    pixels = pixels_of(encoder)
    first, second = encoder.encode(pixels), encoder.encode(pixels)
    for name in encoder.shapes:
        assert torch.equal(first[name], second[name])
        assert not torch.allclose(first[name][0], first[name][1])


def test_identity_changes_with_everything_the_arrays_depend_on():
    identity = build_encoder("efficientnet_lite0").identity
    assert identity == build_encoder("efficientnet_lite0@224").identity
    assert identity != build_encoder("efficientnet_lite0@384").identity
    assert hashlib.sha256(hashlib.sha256(_weights_file().read_bytes()).digest()).hexdigest() in identity


@pytest.fixture(scope="module")
def timms_network() -> torch.nn.Module:
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(load_network().state_dict())  # timm's names: weights of fine-tuned models have them
    return network


def maps_of(network: torch.nn.Module, x: Tensor) -> list[Tensor]:
    maps = [network.bn1(network.conv_stem(x))]
    for block in network.blocks:
        maps.append(block(maps[-1]))
    return [*maps[1:], network.bn2(network.conv_head(maps[-1]))]


@pytest.mark.parametrize("size", [64, 96, 224])
def test_maps_equal_timms_to_the_bit(timms_network, size):
    x = torch.randn(2, 3, size, size).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        ours, theirs = (maps_of(network.eval(), x) for network in (load_network(), timms_network))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_gradients_and_running_statistics_equal_timms_to_the_bit(timms_network):
    own, x = load_network().train(), torch.randn(4, 3, 64, 64)
    theirs = copy.deepcopy(timms_network).train()
    for network in (own, theirs):
        maps_of(network, x)[-1].square().mean().backward()
    gradients = [[p.grad for name, p in net.named_parameters() if p.grad is not None] for net in (own, theirs)]
    assert len(gradients[0]) == 147
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    pairs = zip(own.state_dict().values(), theirs.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_encoding_loads_neither_timm_nor_torchvision():
    code = (
        "import sys, torch; from models.encoders import build_encoder;"
        "build_encoder('efficientnet_lite0@64').encode(torch.zeros(1, 3, 64, 64, dtype=torch.uint8));"
        "print([name for name in ('timm', 'torchvision', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout == "[]\n"
