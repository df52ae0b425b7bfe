import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from models.encoders import build_encoder
from models.encoders.efficientnet_lite0 import load_network
from models.encoders.network_encoder import NetworkEncoder
from models.unknown_name import UnknownNameError


def noise(size: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, size, size), dtype=np.uint8))


@pytest.mark.parametrize(("name", "suffix"), [("test_resnet", ".safetensors"), ("test_efficientnet", ".pth")])
@pytest.mark.parametrize("size", [224, 160])
@torch.inference_mode()
def test_encoding_agrees_with_features_of_timm(weights, name, suffix, size):
    file = weights / "timm" / f"{name}{suffix}"
    state = load_file(file) if suffix == ".safetensors" else torch.load(file, weights_only=True)
    whole = timm.create_model(name)
    whole.load_state_dict(state)
    loaded = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
    features = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4), **loaded)
    assert features.feature_info.reduction() == [4, 8, 16, 32]
    pixels = noise(size)
    mean, std = (torch.tensor(whole.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    normalised = (pixels / 255 - mean) / std
    maps = features.eval()(normalised)
    last = whole.eval().forward_features(normalised)
    arrays = build_encoder(f"timm:{name}@{size}").encode(pixels)
    torch.testing.assert_close(arrays["map"], F.adaptive_avg_pool2d(maps[3], 7), rtol=1e-3, atol=1e-4)
    for number, (stage, grid) in enumerate(zip([*maps[:3], last], (8, 4, 2, 1), strict=True), 1):
        expected = F.adaptive_avg_pool2d(stage, grid)
        torch.testing.assert_close(arrays[f"level{number}"], expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(arrays["probs"], whole(normalised).softmax(1), rtol=1e-3, atol=1e-6)


def test_real_weights_give_what_the_other_encoder_of_the_same_network_gives(tmp_path, monkeypatch):
    """Mean and deviation differ between the two; an image of another range compensates for that."""
    (tmp_path / "timm").mkdir()
    torch.save(load_network().state_dict(), tmp_path / "timm" / "tf_efficientnet_lite0.pth")
    monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(tmp_path))
    encoder, same = build_encoder("timm:tf_efficientnet_lite0@64"), build_encoder("efficientnet_lite0@64")
    assert isinstance(encoder, NetworkEncoder) and isinstance(same, NetworkEncoder)
    backbone, other = encoder.load_backbone(), same.load_backbone()
    pixels = noise(64).float()
    moved = (pixels / backbone.scale - backbone.offset + other.offset) * other.scale
    with torch.inference_mode():
        ours, theirs = backbone(pixels), other(moved)
    for name in ("map", "level1", "level2", "level3", "level4", "probs"):
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_parts_are_in_order_and_hold_all_but_the_classifier(weights, name):
    encoder = build_encoder(f"timm:{name}")
    assert isinstance(encoder, NetworkEncoder)
    backbone = encoder.load_backbone()
    named = {id(parameter): key.removeprefix("net.") for key, parameter in backbone.named_parameters()}
    parts = [[named[id(p)] for module in part for p in module.parameters()] for part in backbone.parts()]
    listed = [key for part in parts for key in part]
    assert len(listed) == len(set(listed)) and len(parts) >= 5
    classifier = {"fc.weight", "fc.bias"} if name == "test_resnet" else {"classifier.weight", "classifier.bias"}
    assert set(named.values()) - set(listed) == classifier
    assert parts[0][0].startswith(("conv1.", "conv_stem."))
    stages = [[key.split(".")[:2] for key in part if key.startswith(("layer", "blocks"))] for part in parts]
    flat = [stage for part in stages for stage in part]
    assert len(flat) > 4 and flat == sorted(flat)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnat18", "did you mean .*resnet18"),
        ("resnet18.no_such_tag", "did you mean .*resnet18"),
        ("qqqqqqqqqqqq", "timm has no network"),
        ("vit_tiny_patch16_224", "no map at stride 4 and 8 and 32"),
        ("caformer_s18", "does not return the maps of its stages"),
    ],
)
def test_unsuitable_network_is_an_immediate_error(name, message):
    with pytest.raises(ValueError, match=message):
        build_encoder(f"timm:{name}")


def test_a_wrong_name_is_an_unknown_name():
    with pytest.raises(UnknownNameError):
        build_encoder("timm:resnat18")
    with pytest.raises(ValueError, match="does not take images of 256 pixels"):
        build_encoder("timm:swin_tiny_patch4_window7_224@256")


def test_without_a_classifier_of_imagenet_there_are_no_probabilities():
    image = build_encoder("timm:swin_tiny_patch4_window7_224")
    assert "probs" not in image.shapes
    with pytest.raises(ValueError, match="class probabilities"):
        build_encoder("conse").shapes_for(image.shapes, {"embedding": (384,)})


def test_the_tag_decides_which_weights_are_asked_for(no_weights):
    with pytest.raises(ValueError, match=r"timm/resnet18\.a1_in1k to .*weights/timm/resnet18\.safetensors"):
        _ = build_encoder("timm:resnet18").identity
    with pytest.raises(ValueError, match=r"timm/resnet18\.tv_in1k to"):
        _ = build_encoder("timm:resnet18.tv_in1k").identity
