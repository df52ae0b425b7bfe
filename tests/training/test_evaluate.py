import numpy as np
import pytest
import torch

from orchestrator.training import ScoreScale, TrainingData, correlations, predict
from orchestrator.training.evaluate import evaluate


def test_predictions_are_in_mos_units_and_in_the_rows_order(make_model, two_targets: TrainingData) -> None:
    model = make_model(2)
    scale = ScoreScale(torch.tensor([3.0, -1.0]), torch.tensor([2.0, 0.5]))
    rows = torch.tensor([9, 2, 150, 2])
    found = predict(model, two_targets.features, rows, scale, batch_rows=3)
    with torch.no_grad():
        raw = model.eval()({name: two_targets.features[name][rows].float() for name in model.reads})
    np.testing.assert_allclose(found, raw.numpy() * [2.0, 0.5] + [3.0, -1.0], rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_left_alone(make_model, data: TrainingData, training: bool) -> None:
    model = make_model().train(training)
    scale = ScoreScale.of(data.scores)
    first, second = (predict(model, data.features, data.test, scale) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert model.training is training


def test_evaluate_compares_target_by_target(make_model, two_targets: TrainingData) -> None:
    model, scale = make_model(2), ScoreScale.of(two_targets.scores)
    found = evaluate(model, two_targets, two_targets.test, scale)
    predicted = predict(model, two_targets.features, two_targets.test, scale)
    truth = two_targets.scores[two_targets.test].numpy()
    assert found["alignment"] == correlations(predicted[:, 1], truth[:, 1])


def test_no_rows_give_no_predictions(make_model, data: TrainingData) -> None:
    none = torch.tensor([], dtype=torch.int64)
    assert predict(make_model(), data.features, none, ScoreScale.of(data.scores)).shape == (0, 1)


def test_other_modules_are_rejected(data: TrainingData) -> None:
    with pytest.raises(ValueError, match="Linear is not a scoring model"):
        predict(torch.nn.Linear(2, 1), data.features, data.test, ScoreScale.of(data.scores))
