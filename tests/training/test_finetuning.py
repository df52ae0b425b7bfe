"""Training of a backbone together with the scoring model, with the settings of the orchestrator."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models import build_variant
from models.crops import place_crops
from models.encoders import build_encoder
from models.finetuned_model import PIXELS, FinetunedModel, Finetuning, finetuned
from orchestrator.training import FitSettings, Trainer, TrainingData
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.feature_batches import FeatureBatches
from tests.models.tiny_backbone import CROP, SIZE, TinyEncoder, image_shapes, tiny_backbone

pytestmark = pytest.mark.integration

SETTINGS = FitSettings(epochs=3, lr=5e-3, backbone_lr_ratio=1.0, hypernet_lr_ratio=0.5, batch_size=32, ema=0.9)
ROWS = 160


def build(seed: int = 0, variant: str = "image_hyper", **settings: int | bool) -> FinetunedModel:
    torch.manual_seed(seed)
    scoring = build_variant(variant, image_shapes(), widths=[16], dropout=0.0, input_dropout=0.1)
    return finetuned(TinyEncoder(), scoring, Finetuning(**settings))


@pytest.fixture(scope="module")
def coloured() -> TrainingData:
    """Images with the same mean grey; the score is the difference of red and blue."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(ROWS)
    contrast = torch.rand(ROWS, generator=generator) * 100 - 50
    tint = torch.stack([contrast, torch.zeros(ROWS), -contrast], 1).view(ROWS, 3, 1, 1)
    grain = 20 * torch.randn(ROWS, 1, SIZE, SIZE, generator=generator)
    pixels = (128 + tint + grain).clamp(0, 255).to(torch.uint8)
    score = 3 + contrast[:, None] / 50
    return TrainingData({PIXELS: pixels}, score, ("quality",), rows // 8, rows[:96], rows[96:128], rows[128:])


def frozen(data: TrainingData) -> TrainingData:
    (centre,) = place_crops(SIZE, CROP, 1)
    with torch.inference_mode():
        arrays = tiny_backbone()(centre(data.features[PIXELS]))
    return replace(data, features={f"image.{name}": array.clone() for name, array in arrays.items()})


def moved(before: dict[str, Tensor], training: Trainer) -> set[str]:
    return {name for name, value in training.model.state_dict().items() if not torch.equal(value, before[name])}


def state(training: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training.model.state_dict().items()}


def untimed(result: object) -> dict[str, object]:
    return {**asdict(result), "seconds": 0}  # type: ignore[call-overload]


@pytest.mark.parametrize("variant", ["image_hyper", "plain_head"])
def test_learns_what_frozen_features_do_not_show(variant: str, coloured: TrainingData) -> None:
    of = {"of": "image_hyper"} if variant == "plain_head" else {}
    settings = replace(SETTINGS, epochs=12, lr=1e-2)
    reached = []
    for data, tuned in ((frozen(coloured), False), (coloured, True)):
        torch.manual_seed(0)
        model = build_variant(variant, image_shapes(), widths=[16], dropout=0.0, input_dropout=0.1, **of)
        whole = finetuned(TinyEncoder(), model, Finetuning()) if tuned else model
        training = Trainer(whole, data, settings)
        results = [training.run_epoch() for _ in range(settings.epochs)]
        reached.append(results[-1].objective)
    assert reached[1] > 0.9 > 0.5 > reached[0]


@pytest.mark.parametrize("frozen_parts", [0, 2])
def test_in_the_last_epoch_backbone_and_hypernet_still_learn_and_frozen_parts_never_did(
    frozen_parts: int, coloured: TrainingData
) -> None:
    training = Trainer(build(frozen_parts=frozen_parts), coloured, SETTINGS)
    pretrained = state(training)
    while training.epoch < SETTINGS.epochs - 1:
        training.run_epoch()
    before = state(training)
    training.run_epoch()
    learning = {name for name, parameter in training.model.named_parameters() if parameter.requires_grad}
    assert moved(before, training) == learning
    assert any(name.startswith("scoring.hypernet.") for name in learning)
    still = {name for name in pretrained if name.startswith(("backbone.classifier", "backbone.blocks.0"))}
    assert (moved(pretrained, training) & still == set()) == bool(frozen_parts)


@pytest.mark.parametrize("ratio", [0.0, 1e-3])
def test_the_backbone_and_the_hypernet_learn_at_their_own_rates(ratio: float, coloured: TrainingData) -> None:
    settings = replace(SETTINGS, epochs=1, ema=0.0, clip_norm=0.0, warmup=0.0)
    for part, key in (("backbone.", "backbone_lr_ratio"), ("scoring.hypernet.", "hypernet_lr_ratio")):
        training = Trainer(build(), coloured, replace(settings, **{key: ratio}))
        before = state(training)
        training.run_epoch()
        steps = {name: float((value - before[name]).abs().max()) for name, value in training.model.state_dict().items()}
        own = max(size for name, size in steps.items() if name.startswith(part))
        rest = max(size for name, size in steps.items() if not name.startswith(part))
        assert own <= 3 * ratio * rest and (own > 0) == (ratio > 0)


def test_the_backbone_does_not_decay(coloured: TrainingData) -> None:
    settings = replace(SETTINGS, epochs=2)
    ends = []
    for decay in (0.0, 10.0):
        training = Trainer(build(), coloured, replace(settings, weight_decay=decay, batch_size=ROWS))
        training.run_epoch()  # one step, so that the backbone's gradients are still the same
        ends.append(state(training))
    same = {name for name in ends[0] if torch.equal(ends[0][name], ends[1][name])}
    assert {name for name in ends[0] if name.startswith("backbone.")} <= same
    assert any(name.endswith("weight") for name in ends[0].keys() - same)


def test_training_resumes_from_disk_bit_for_bit_after_every_epoch(coloured: TrainingData, tmp_path: Path) -> None:
    whole = Trainer(build(test_crops=2, frozen_parts=1), coloured, SETTINGS)
    results = []
    for epoch in range(SETTINGS.epochs):
        Checkpoints(tmp_path / str(epoch)).save(whole.state_dict())
        results.append(untimed(whole.run_epoch()))
    assert results[0]["train_loss"] != results[1]["train_loss"]
    for epoch in range(SETTINGS.epochs):
        resumed = Trainer(build(seed=1, test_crops=2, frozen_parts=1), coloured, SETTINGS)
        state = Checkpoints(tmp_path / str(epoch)).load().state
        assert state is not None
        resumed.load_state_dict(state)
        while not resumed.finished:
            assert untimed(resumed.run_epoch()) == results[resumed.epoch - 1]
        end = whole.model.state_dict()
        assert all(torch.equal(value, end[name]) for name, value in resumed.model.state_dict().items())


def test_only_what_learns_is_kept_by_optimizer_and_average(coloured: TrainingData) -> None:
    tensors = Trainer(build(frozen_parts=3), coloured, SETTINGS).state_dict().tensors
    backbone = {name for name in tensors if ".backbone." in name or name.startswith("model.backbone.")}
    assert any(name.startswith("model.backbone.blocks.0") for name in backbone)
    assert all(".blocks.3." in name for name in backbone if not name.startswith("model."))


def test_of_the_stored_images_only_a_batch_is_read(tmp_path: Path) -> None:
    mapped = np.lib.format.open_memmap(tmp_path / "pixels.npy", mode="w+", dtype=np.uint8, shape=(64, 3, 8, 8))
    mapped[:] = np.arange(64, dtype=np.uint8)[:, None, None, None]
    tensor = torch.from_numpy(np.load(tmp_path / "pixels.npy", mmap_mode="c"))
    rows = FeatureBatches({PIXELS: tensor}, [PIXELS], torch.device("cpu"))
    assert rows._pixels[PIXELS].data_ptr() == tensor.data_ptr(), "no copy of the whole"
    batch = rows.batch(torch.tensor([7, 3]))[PIXELS]
    assert batch.dtype == torch.uint8 and batch[:, 0, 0, 0].tolist() == [7, 3]
    assert (
        len(FeatureBatches({PIXELS: tensor}, [PIXELS], torch.device("cpu")).calibration(torch.arange(64))[PIXELS]) == 64
    )


def test_a_step_of_a_real_encoder_moves_all_but_its_frozen_parts() -> None:
    encoder = build_encoder("efficientnet_lite0@64")
    shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}  # type: ignore[attr-defined]
    model = finetuned(encoder, build_variant("image_hyper", shapes), Finetuning(frozen_parts=3))
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (24, 3, 73, 73), dtype=torch.uint8, generator=generator)
    rows = torch.arange(24)
    scores = torch.rand(24, 1, generator=generator)
    data = TrainingData({PIXELS: pixels}, scores, ("quality",), rows // 4, rows[:16], rows[16:20], rows[20:])
    training = Trainer(model, data, FitSettings(epochs=1, batch_size=8))
    before = state(training)
    result = training.run_epoch()
    assert np.isfinite(result.train_loss)
    changed = {name for name in moved(before, training) if name.startswith("backbone.")}
    blocks = {name.split(".")[3] for name in changed if ".blocks." in name}
    assert blocks == {"2", "3", "4", "5", "6"} and any("conv_head" in name for name in changed)
    assert not any("running" in name or "classifier" in name or "conv_stem" in name for name in changed)
