import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.feature_extraction import create_feature_extractor

from models.encoders import build_encoder
from models.encoders.network_encoder import NetworkEncoder


@pytest.fixture(scope="module")
def reference(made_weights):
    """torchvision's own network and its own way to stages and logits."""
    net = torchvision.models.resnet50()
    net.load_state_dict(torch.load(made_weights / "resnet50-made.pth", weights_only=True))
    return create_feature_extractor(net.eval(), ["layer1", "layer2", "layer3", "layer4", "fc"])


@pytest.mark.parametrize("size", [224, 96])
@torch.inference_mode()
def test_encoding_agrees_with_torchvision(weights, reference, size):
    encoder = build_encoder(f"resnet50@{size}")
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, size, size), dtype=np.uint8))
    normalised = torchvision.transforms.functional.normalize(
        pixels / 255, torchvision.models.ResNet50_Weights.IMAGENET1K_V1.transforms().mean, [0.229, 0.224, 0.225]
    )
    expected = reference(normalised)
    arrays = encoder.encode(pixels)
    stages = [expected[f"layer{number}"] for number in (1, 2, 3, 4)]
    torch.testing.assert_close(arrays["probs"], expected["fc"].softmax(1), rtol=1e-3, atol=1e-6)
    # Rounding is of the size of the largest values: channels_last adds up in another order.
    bounds = {"rtol": 1e-3, "atol": 1e-4 * max(1.0, *(float(stage.abs().max()) for stage in stages))}
    torch.testing.assert_close(arrays["map"], F.adaptive_avg_pool2d(stages[3], 7), **bounds)
    for number, (stage, grid) in enumerate(zip(stages, (8, 4, 2, 1), strict=True), 1):
        pooled = F.avg_pool2d(stage, 7, stride=7) if size == 224 else F.adaptive_avg_pool2d(stage, grid)
        torch.testing.assert_close(arrays[f"level{number}"], pooled, **bounds)
    assert arrays["statistics"].shape == (2, 2 * (256 + 512 + 1024 + 2048))


def test_parts_are_frozen_from_the_input_and_exclude_the_classifier(weights):
    encoder = build_encoder("resnet50")
    assert isinstance(encoder, NetworkEncoder)
    backbone = encoder.load_backbone()
    parts = [{id(parameter) for module in part for parameter in module.parameters()} for part in backbone.parts()]
    named = {id(parameter): name.removeprefix("net.") for name, parameter in backbone.named_parameters()}
    starts = [{named[key].partition(".")[0] for key in part} for part in parts]
    assert starts == [{"conv1", "bn1"}, {"layer1"}, {"layer2"}, {"layer3"}, {"layer4"}]
    assert {named[key] for key in named.keys() - set().union(*parts)} == {"fc.weight", "fc.bias"}


def test_conse_can_be_composed_of_it(weights):
    image, prompt = build_encoder("resnet50"), build_encoder("minilm")
    assert build_encoder("conse").shapes_for(image.shapes, prompt.shapes) == {"embedding": (2048 + 2 * 384 + 1,)}


def test_other_weights_are_another_identity(weights, tmp_path, monkeypatch):
    before = build_encoder("resnet50").identity
    state = torch.load(weights / "resnet50-made.pth", weights_only=True)
    state["conv1.weight"] += 1
    torch.save(state, tmp_path / "resnet50-others.pth")
    monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(tmp_path))
    assert build_encoder("resnet50").identity != before
