import pytest
import torch
import torch.nn.functional as F

from models.stems import Embedding, LocalDistortion

# ResNet-50's stages at 224 px, as hyperIQA has them, and their pooled maps.
STAGES = {
    "image.level1": (256, 56),
    "image.level2": (512, 28),
    "image.level3": (1024, 14),
    "image.level4": (2048, 7),
}
SHAPES = {name: (channels, size // 7, size // 7) for name, (channels, size) in STAGES.items()}


def test_local_distortion_is_that_of_hyperiqa():
    """Convolving the full map and pooling then, as hyperIQA does, gives the same 224 values."""
    torch.manual_seed(0)
    stem = LocalDistortion(SHAPES, standardize=False)
    maps = {name: torch.randn(2, channels, size, size) for name, (channels, size) in STAGES.items()}
    expected = []
    for name, part in zip(STAGES, stem.parts.values(), strict=True):
        x = maps[name]
        if name != "image.level4":
            assert part[0].bias is None
            x = F.conv2d(x, part[0].weight)
        x = F.avg_pool2d(x, 7, stride=7).flatten(1)
        expected.append(F.linear(x, part[-1].weight, part[-1].bias))
    pooled = {name: F.avg_pool2d(x, 7, stride=7) for name, x in maps.items()}
    result = stem(pooled)
    assert result.shape == (2, 224) == (2, stem.width)
    torch.testing.assert_close(result, torch.cat(expected, 1), rtol=1e-3, atol=1e-4)


def test_statistics_join_by_a_projection_of_their_own():
    stem = LocalDistortion(SHAPES | {"image.statistics": (30,)}, statistics_width=5)
    assert stem.reads[-1] == "image.statistics" and stem.width == 229
    features = {name: torch.randn(3, *shape) for name, shape in SHAPES.items()}
    one = stem(features | {"image.statistics": torch.zeros(3, 30)})
    other = stem(features | {"image.statistics": torch.ones(3, 30)})
    changed = (one != other).all(0)
    assert changed[224:].all() and not changed[:224].any()


def test_width_0_excludes_a_level():
    stem = LocalDistortion(SHAPES, distortion_widths=(0, 8, 0, 3))
    assert stem.reads == ("image.level2", "image.level4") and stem.width == 11


@pytest.mark.parametrize("widths", [(16, 16), (0, 0, 0, 0)])
def test_widths_that_make_no_sense_are_refused(widths):
    with pytest.raises(ValueError, match="distortion_widths"):
        LocalDistortion(SHAPES, distortion_widths=widths)


def test_input_dropout_drops_input_values_in_training_only():
    stem = Embedding({"x.embedding": (1000,)}, "x.embedding", input_dropout=0.3)
    rows = {"x.embedding": torch.ones(2, 1000)}
    dropped = (stem(rows) == 0).float().mean()
    assert 0.2 < dropped < 0.4
    assert (stem.eval()(rows) == 1).all()


def test_statistics_join_an_embedding_too():
    shapes = {"x.embedding": (6,), "image.statistics": (30,)}
    features = {name: torch.randn(3, *shape) for name, shape in shapes.items()}
    stem = Embedding(shapes, "x.embedding", statistics_width=4)
    assert stem.reads == ("x.embedding", "image.statistics") and stem.width == 10
    result = stem(features)
    torch.testing.assert_close(result[:, :6], features["x.embedding"])
    torch.testing.assert_close(result[:, 6:], stem.projection(features["image.statistics"]))
    assert Embedding(shapes, "x.embedding")(features).shape == (3, 6)
