from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models import ScoringModel, build_variant
from models.crops import place_crops, random_crops
from models.encoders import build_encoder
from models.finetuned_model import PIXELS, FinetunedModel, Finetuning, finetuned
from tests.models.tiny_backbone import CROP, SIZE, TinyEncoder, image_shapes, tiny_backbone

SHAPES = {**image_shapes(), "prompt.embedding": (64,), "image_prompt.embedding": (7,)}

MODEL = {"widths": [8], "statistics_width": 8, "standardize": True}


def build(variant: str = "image_hyper", **settings: int | bool) -> FinetunedModel:
    torch.manual_seed(0)
    scoring = build_variant(variant, SHAPES, **MODEL)
    model = finetuned(TinyEncoder(), scoring, Finetuning(**settings))
    model.calibrate(make_features(48, seed=1))
    return model


def make_features(rows: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        PIXELS: torch.randint(256, (rows, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator),
        "prompt.embedding": torch.randn(rows, 64, generator=generator),
        "image_prompt.embedding": torch.randn(rows, 7, generator=generator),
    }


def by_hand(model: FinetunedModel, pixels: Tensor, features: dict[str, Tensor]) -> Tensor:
    arrays = {f"image.{name}": array for name, array in model.backbone(pixels).items()}
    return model.scoring({**features, **arrays})


def test_model_reads_pixels_in_place_of_image_features() -> None:
    assert build().reads == (PIXELS,)
    assert build("text_hyper").reads == (PIXELS, "prompt.embedding", "image_prompt.embedding")


@pytest.mark.parametrize("variant", ["image_hyper", "text_hyper", "plain_head"])
@pytest.mark.parametrize("crops", [1, 4])
@torch.inference_mode()
def test_scores_are_the_mean_over_the_crops(variant: str, crops: int) -> None:
    model, features = build(variant, test_crops=crops).eval(), make_features(40)
    places = place_crops(SIZE, CROP, crops)
    expected = sum(by_hand(model, place(features[PIXELS]), features) for place in places) / crops
    found = model(features)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert found.std() > 0 and torch.equal(found, model(features))


def test_in_training_every_image_is_seen_through_one_random_crop() -> None:
    model, features = build().train(), make_features(16)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    torch.manual_seed(5)
    expected = by_hand(model, random_crops(features[PIXELS], CROP, flips=True), features)
    torch.manual_seed(5)
    torch.testing.assert_close(model(features), expected, atol=1e-5, rtol=1e-4)


def test_calibration_uses_centre_crops() -> None:
    features = make_features(48, seed=1)
    (centre,) = place_crops(SIZE, CROP, 1)
    arrays = tiny_backbone()(centre(features[PIXELS]))
    standardizer = build().scoring.stem.standardizers["image_statistics"]
    torch.testing.assert_close(standardizer.mean, arrays["statistics"].mean(0), atol=1e-5, rtol=1e-4)
    deviation = arrays["statistics"].std(0, correction=0)
    deviation[deviation == 0] = 1.0  # of the last stage's, which at this size is a single place
    torch.testing.assert_close(standardizer.scale, deviation, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("frozen", [0, 2, 4])
def test_the_first_parts_and_the_classifier_learn_nothing_and_build_no_graph(frozen: int) -> None:
    model = build(frozen_parts=frozen).train()
    torch.autograd.backward(model(make_features(8)).square().sum())
    learning = {name for name, p in model.backbone.named_parameters() if p.grad is not None and p.grad.any()}
    blocks = {int(name.split(".")[1]) for name in learning}
    assert blocks == set(range(frozen, 4))
    assert all(p.requires_grad == (name in learning) for name, p in model.backbone.named_parameters())
    maps = model.backbone.stages(torch.randn(2, 3, CROP, CROP))
    assert [stage.requires_grad for stage in maps] == [False] * frozen + [True] * (4 - frozen)


def test_batchnorm_keeps_its_statistics_in_training() -> None:
    model = build()
    before = {name: buffer.clone() for name, buffer in model.backbone.named_buffers()}
    model.train()
    model(make_features(8))
    assert model.scoring.training and not any(module.training for module in model.backbone.modules())
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.backbone.named_buffers())


def test_unsuitable_models_are_rejected_in_a_sentence() -> None:
    scoring = build_variant("image_hyper", SHAPES, widths=[8])
    without = build_variant("text_hyper", SHAPES, widths=[8], statistics_width=0)
    with pytest.raises(ValueError, match="frozen_parts is 5, but tiny has 4 parts"):
        finetuned(TinyEncoder(), scoring, Finetuning(frozen_parts=5))
    with pytest.raises(ValueError, match="minilm has no network that could be fine-tuned"):
        finetuned(build_encoder("minilm"), scoring, Finetuning())
    with pytest.raises(ValueError, match="reads no image features"):
        finetuned(TinyEncoder(), without, Finetuning())
    other: ScoringModel = build_variant("image_hyper", SHAPES, widths=[8])
    other.reads = ("image.depth",)
    with pytest.raises(ValueError, match="does not give depth; it gives map"):
        finetuned(TinyEncoder(), other, Finetuning())
    for wrong in ({"frozen_parts": -1}, {"test_crops": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(Finetuning(), **wrong)
