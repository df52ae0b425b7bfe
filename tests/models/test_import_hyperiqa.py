"""hyperIQA's score, computed here from its own tensors by its own names, against image_hyper with them imported."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models import build_variant
from models.import_hyperiqa import import_hyperiqa

WIDTHS = (224, 112, 56, 28, 14, 1)
STAGES = {"layer1": (256, 56), "layer2": (512, 28), "layer3": (1024, 14), "layer4": (2048, 7)}
DISTORTION = ((256, 16, 64, 16), (512, 32, 16, 16), (1024, 64, 4, 16))
SHAPES = {
    "image.map": (2048, 7, 7),
    "image.level1": (256, 8, 8),
    "image.level2": (512, 4, 4),
    "image.level3": (1024, 2, 2),
    "image.level4": (2048, 1, 1),
    "image.statistics": (7680,),
}


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Tensor]:
    """A hyperIQA state dict with random tensors of its shapes; of the backbone, two stand for all."""
    shapes: dict[str, tuple[int, ...]] = {"res.conv1.weight": (64, 3, 7, 7), "res.layer1.0.bn1.bias": (64,)}
    for level, (channels, inner, places, width) in enumerate(DISTORTION, start=1):
        shapes[f"res.lda{level}_pool.0.weight"] = (inner, channels, 1, 1)
        shapes |= {f"res.lda{level}_fc.weight": (width, inner * places), f"res.lda{level}_fc.bias": (width,)}
    shapes |= {"res.lda4_fc.weight": (176, 2048), "res.lda4_fc.bias": (176,)}
    for name, n_in, n_out in (("conv1.0", 2048, 1024), ("conv1.2", 1024, 512), ("conv1.4", 512, 112)):
        shapes |= {f"{name}.weight": (n_out, n_in, 1, 1), f"{name}.bias": (n_out,)}
    for layer, (n_in, n_out) in enumerate(zip(WIDTHS[:-2], WIDTHS[1:-1], strict=True), start=1):
        shapes |= {
            f"fc{layer}w_conv.weight": (n_in * n_out // 49, 112, 3, 3),
            f"fc{layer}w_conv.bias": (n_in * n_out // 49,),
        }
        shapes |= {f"fc{layer}b_fc.weight": (n_out, 112), f"fc{layer}b_fc.bias": (n_out,)}
    shapes |= {"fc5w_fc.weight": (14, 112), "fc5w_fc.bias": (14,), "fc5b_fc.weight": (1, 112), "fc5b_fc.bias": (1,)}
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for name, shape in shapes.items():
        fan_in = torch.Size(shape[1:]).numel() if len(shape) > 1 else 1
        drawn[name] = torch.randn(shape, generator=generator) / fan_in**0.5
    return drawn


def original_score(state: dict[str, Tensor], stages: dict[str, Tensor]) -> Tensor:
    """Compute the score of each image separately with the formulas of the original's modules."""
    scores = []
    for index in range(len(stages["layer4"])):
        maps = {name: stage[index : index + 1] for name, stage in stages.items()}
        parts = []
        for level in (1, 2, 3):
            convolved = F.conv2d(maps[f"layer{level}"], state[f"res.lda{level}_pool.0.weight"])
            pooled = F.avg_pool2d(convolved, 7, 7).reshape(1, -1)
            parts.append(F.linear(pooled, state[f"res.lda{level}_fc.weight"], state[f"res.lda{level}_fc.bias"]))
        pooled = F.avg_pool2d(maps["layer4"], 7, 7).reshape(1, -1)
        parts.append(F.linear(pooled, state["res.lda4_fc.weight"], state["res.lda4_fc.bias"]))
        x = torch.cat(parts, 1)
        seen = maps["layer4"]
        for name in ("conv1.0", "conv1.2", "conv1.4"):
            seen = F.relu(F.conv2d(seen, state[f"{name}.weight"], state[f"{name}.bias"]))
        pooled = seen.mean((2, 3))
        for layer in range(1, 6):
            n_in, n_out = WIDTHS[layer - 1], WIDTHS[layer]
            if layer < 5:
                weight = F.conv2d(seen, state[f"fc{layer}w_conv.weight"], state[f"fc{layer}w_conv.bias"], padding=1)
            else:
                weight = F.linear(pooled, state["fc5w_fc.weight"], state["fc5w_fc.bias"])
            bias = F.linear(pooled, state[f"fc{layer}b_fc.weight"], state[f"fc{layer}b_fc.bias"])
            x = F.linear(x, weight.reshape(n_out, n_in), bias[0])
            x = torch.sigmoid(x) if layer < 5 else x
        scores.append(x)
    return torch.cat(scores)


def test_the_same_weights_give_the_same_score(checkpoint):
    generator = torch.Generator().manual_seed(1)
    stages = {
        name: torch.rand(3, channels, side, side, generator=generator) for name, (channels, side) in STAGES.items()
    }
    features = {"image.map": stages["layer4"]}
    for level, grid in enumerate((8, 4, 2, 1), start=1):
        features[f"image.level{level}"] = F.adaptive_avg_pool2d(stages[f"layer{level}"], grid)
    model = build_variant("image_hyper", SHAPES).eval()
    imported = import_hyperiqa(checkpoint)
    model.load_state_dict(imported.model)
    with torch.no_grad():
        scores, expected = model(features), original_score(checkpoint, stages)
    assert expected.std() > 1e-3
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5)
    assert set(imported.backbone) == {"conv1.weight", "layer1.0.bn1.bias"}


def test_the_size_is_the_published_one(checkpoint):
    """Hypernet and local-distortion module of 27.38 M parameters, of which ResNet-50 has 23.51 M."""
    backbone = 23_508_032
    own = sum(tensor.numel() for tensor in import_hyperiqa(checkpoint).model.values())
    assert round((own + backbone) / 1e6, 2) == 27.38


def test_names_of_data_parallel_training_are_understood(checkpoint):
    wrapped = {f"module.{name}": tensor for name, tensor in checkpoint.items()}
    assert set(import_hyperiqa(wrapped).model) == set(import_hyperiqa(checkpoint).model)


def test_other_checkpoints_are_rejected(checkpoint):
    with pytest.raises(ValueError, match=r"not a hyperIQA checkpoint: it lacks res.lda1_pool.0.weight"):
        import_hyperiqa({"fc.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="it also has classifier.weight"):
        import_hyperiqa({**checkpoint, "classifier.weight": torch.zeros(1)})
