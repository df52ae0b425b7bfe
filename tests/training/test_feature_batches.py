import torch

from models import build_variant
from orchestrator.training.feature_batches import FeatureBatches

SHAPES = {
    "image.map": (4, 7, 7),
    "image.level1": (3, 8, 8),
    "image.level4": (5, 1, 1),
    "image.statistics": (10,),
}


def make_model_and_features():
    torch.manual_seed(0)
    features = {name: (3 * torch.randn(50, *shape) + 2).half() for name, shape in SHAPES.items()}
    settings = {"distortion_widths": (4, 0, 0, 4), "statistics_width": 6, "standardize": True, "widths": (8,)}
    model = build_variant("image_hyper", SHAPES, condition_standardize=True, condition_hidden=(), **settings).eval()
    return model, features


def test_features_standardised_once_give_the_scores_of_those_standardised_in_the_model():
    model, features = make_model_and_features()
    rows = torch.randperm(50)[:20]
    batches = FeatureBatches(features, model.reads, torch.device("cpu"))
    model.calibrate(batches.calibration(torch.arange(40)))
    before = model(batches.batch(rows))
    batches.standardize(model)
    torch.testing.assert_close(model(batches.batch(rows)), before, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model({name: value[rows] for name, value in features.items()}), before)


def test_features_are_standardised_again_after_other_statistics_were_loaded():
    model, features = make_model_and_features()
    batches, rows = FeatureBatches(features, model.reads, torch.device("cpu")), torch.arange(9)
    model.calibrate(batches.calibration(torch.arange(40)))
    batches.standardize(model)
    model.calibrate({name: value[:25] for name, value in features.items()})
    batches.standardize(model)
    torch.testing.assert_close(
        model(batches.batch(rows)), model({name: value[rows] for name, value in features.items()})
    )


def test_a_standardised_feature_can_still_be_read_as_stored():
    model, features = make_model_and_features()
    batches, rows = FeatureBatches(features, model.reads, torch.device("cpu")), torch.tensor([3, 1])
    model.calibrate(batches.calibration(torch.arange(40)))
    batches.standardize(model)
    assert torch.equal(batches.batch(rows)["image.map"], features["image.map"][rows].float())
