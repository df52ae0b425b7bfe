from dataclasses import replace

import pytest
import torch

from orchestrator.training import ScoreScale, TrainingData
from orchestrator.training.feature_batches import FeatureBatches


def test_scale_restores_mos_units() -> None:
    scores = torch.tensor([[1.0, 7.0], [3.0, 7.0], [8.0, 7.0]])
    scale = ScoreScale.of(scores)
    standardised = scale.standardise(scores)
    assert standardised[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert standardised[:, 0].std(correction=0) == pytest.approx(1)
    assert torch.equal(standardised[:, 1], torch.zeros(3))
    assert torch.allclose(scale.restore(standardised), scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": torch.zeros(160, 2)}, "scores are"),
        ({"scores": torch.full((160, 1), float("nan"))}, "not finite"),
        ({"prompt_ids": torch.zeros(3, dtype=torch.int64)}, "prompt_ids"),
        ({"features": {"prompt.embedding": torch.zeros(2, 6)}}, "has 2 rows"),
        ({"test": torch.tensor([160])}, "the test split"),
        ({"train": torch.tensor([], dtype=torch.int64)}, "no rows"),
        ({"stds": torch.ones(160, 2)}, "stds are"),
        ({"stds": torch.full((160, 1), float("nan"))}, "standard deviation"),
        ({"stds": torch.full((160, 1), -0.1)}, "standard deviation"),
    ],
)
def test_data_that_does_not_fit_together_is_refused(
    data: TrainingData, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(data, **change)


def test_feature_rows_gather_float32(data: TrainingData) -> None:
    rows = FeatureBatches(data.features, ("prompt.embedding", "image.map"), torch.device("cpu"))
    batch = rows.batch(torch.tensor([5, 3]))
    assert set(batch) == {"prompt.embedding", "image.map"}
    for name, tensor in batch.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, data.features[name][[5, 3]].float())


def test_large_maps_stay_half_until_gathered_and_calibrate_on_fewer_rows(
    monkeypatch: pytest.MonkeyPatch, data: TrainingData
) -> None:
    monkeypatch.setattr("orchestrator.training.feature_batches._SMALL_ROW", 10)
    monkeypatch.setattr("orchestrator.training.feature_batches._CALIBRATION_BYTES", 4 * 48 * 20)
    rows = FeatureBatches(data.features, ("prompt.embedding", "image.map"), torch.device("cpu"))
    assert rows._tensors["image.map"].dtype == torch.float16
    assert rows._tensors["prompt.embedding"].dtype == torch.float32
    assert rows.batch(torch.tensor([1]))["image.map"].dtype == torch.float32
    calibration = rows.calibration(torch.arange(160))
    assert calibration["prompt.embedding"].shape == (160, 6)
    assert calibration["image.map"].shape == (20, 3, 4, 4)


def test_a_missing_feature_is_named(data: TrainingData) -> None:
    with pytest.raises(ValueError, match="image.level9"):
        FeatureBatches(data.features, ("image.level9",), torch.device("cpu"))
