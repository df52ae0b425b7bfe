from dataclasses import asdict, replace
from math import isnan

import numpy as np
import pytest
import torch

from orchestrator.core.errors import InputError
from orchestrator.training import FitSettings, Trainer, TrainingData, correlations, fit
from orchestrator.training.epoch_result import EpochResult

SETTINGS = {
    "plain": FitSettings(epochs=5, lr=0.01, batch_size=16),
    "all": FitSettings(
        epochs=5,
        lr=0.01,
        hypernet_lr_ratio=0.3,
        batch_size=24,
        loss="huber+0.5*rank",
        prompt_grouped=True,
        ema=0.9,
        seed=7,
        target_weights={"quality": 2.0},
    ),
}


def untimed(result: EpochResult) -> dict[str, object]:
    return {**asdict(result), "seconds": 0}


def same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_learns(make_model, data: TrainingData, settings: FitSettings) -> None:
    settings = replace(settings, epochs=15)
    results = list(fit(make_model(), data, settings))
    assert [result.epoch for result in results] == list(range(1, 16))
    assert results[-1].train_loss < 0.6 * results[0].train_loss
    assert max(result.objective for result in results) > 0.7


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_training_does_not_depend_on_the_global_generator(
    make_model, data: TrainingData, settings: FitSettings
) -> None:
    trainings = [Trainer(make_model(), data, settings) for _ in range(2)]
    for _ in range(3):
        results = []
        for training in trainings:
            torch.randn(3)
            before = torch.get_rng_state()
            results.append(untimed(training.run_epoch()))
            assert torch.equal(before, torch.get_rng_state())
        assert results[0] == results[1]
    assert same_tensors(trainings[0].state_dict().tensors, trainings[1].state_dict().tensors)


def test_seeds_differ(make_model, data: TrainingData) -> None:
    first, second = (next(iter(fit(make_model(), data, replace(SETTINGS["plain"], seed=seed)))) for seed in (0, 1))
    assert first.train_loss != second.train_loss


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_training_resumes_bit_for_bit_after_any_epoch(
    make_model, two_targets: TrainingData, settings: FitSettings, stop: int
) -> None:
    whole = Trainer(make_model(2), two_targets, settings)
    states, results = [whole.state_dict()], []
    while not whole.finished:
        results.append(untimed(whole.run_epoch()))
        states.append(whole.state_dict())
    resumed = Trainer(make_model(2, seed=99), two_targets, settings)
    resumed.load_state_dict(states[stop])
    assert resumed.epoch == stop
    while not resumed.finished:
        assert untimed(resumed.run_epoch()) == results[resumed.epoch - 1]
    assert same_tensors(resumed.state_dict().tensors, states[-1].tensors)
    assert same_tensors(resumed.state_dict().best, states[-1].best)
    assert whole.best is not None and resumed.best is not None
    assert untimed(resumed.best.result) == untimed(whole.best.result)


def test_a_state_of_another_training_is_refused(make_model, data: TrainingData) -> None:
    state = Trainer(make_model(), data, SETTINGS["plain"]).state_dict()
    with pytest.raises(ValueError, match="settings differ"):
        Trainer(make_model(), data, replace(SETTINGS["plain"], lr=0.5)).load_state_dict(state)
    with pytest.raises(ValueError, match="score mean differ"):
        Trainer(make_model(), replace(data, scores=data.scores + 1), SETTINGS["plain"]).load_state_dict(state)
    other = make_model()
    other.head = torch.nn.Linear(8, 1, bias=False)
    with pytest.raises(ValueError, match="another model"):
        Trainer(other, data, SETTINGS["plain"]).load_state_dict(state)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_best_epochs_model_is_the_one_that_was_measured(
    make_model, two_targets: TrainingData, settings: FitSettings
) -> None:
    training = Trainer(make_model(2), two_targets, settings)
    results = [training.run_epoch() for _ in range(settings.epochs)]
    best = max(results, key=lambda result: result.objective)
    assert training.best is not None and training.best.result == best
    training.restore_best()
    predicted = training.predict(two_targets.validation)
    truth = two_targets.scores[two_targets.validation].numpy()
    for column, target in enumerate(two_targets.targets):
        assert correlations(predicted[:, column], truth[:, column]) == best.validation[target]
    assert best.objective == pytest.approx(np.mean([found.srcc for found in best.validation.values()]))
    assert training.finished


def test_averaged_weights_are_evaluated_and_raw_ones_trained(make_model, data: TrainingData) -> None:
    raw = Trainer(make_model(), data, SETTINGS["plain"])
    averaged = Trainer(make_model(), data, replace(SETTINGS["plain"], ema=0.99))
    one, other = raw.run_epoch(), averaged.run_epoch()
    assert one.train_loss == other.train_loss
    assert same_tensors(raw.model.state_dict(), averaged.model.state_dict())
    assert one.validation != other.validation


@pytest.mark.parametrize("where", ["features", "lr"])
def test_diverged_training_ends_with_a_reason(make_model, data: TrainingData, where: str) -> None:
    settings = SETTINGS["plain"]
    if where == "features":
        broken = data.features["prompt.embedding"].clone()
        broken[data.train[5]] = float("nan")
        data = replace(data, features={**data.features, "prompt.embedding": broken})
    else:
        settings = replace(settings, lr=1e38, clip_norm=0.0, loss="mse")
    training = Trainer(make_model(), data, settings)
    while not training.finished:
        result = training.run_epoch()
    assert result.diverged and isnan(result.objective) and result.reason
    assert isnan(result.as_dict()["val_srcc"])
    assert training.best is None or not isnan(training.best.result.objective)
    with pytest.raises(RuntimeError, match="diverged"):
        training.run_epoch()


def test_a_constant_prediction_is_never_the_best(make_model, data: TrainingData) -> None:
    model = make_model()
    torch.nn.init.zeros_(model.head.weight)
    model.head.requires_grad_(False)
    training = Trainer(model, data, SETTINGS["plain"])
    result = training.run_epoch()
    assert isnan(result.objective) and not result.diverged
    assert result.reason == "predictions are constant"
    assert training.best is None


def test_flat_metrics_name_targets_only_where_several(
    make_model, data: TrainingData, two_targets: TrainingData
) -> None:
    one = Trainer(make_model(), data, SETTINGS["plain"]).run_epoch()
    assert one.as_dict()["val_srcc"] == one.objective
    assert "val_srcc_quality" not in one.as_dict()
    two = Trainer(make_model(2), two_targets, SETTINGS["plain"]).run_epoch().as_dict()
    assert two["val_plcc"] == pytest.approx((two["val_plcc_quality"] + two["val_plcc_alignment"]) / 2)


def test_grouped_batches_give_the_rank_loss_its_pairs(make_model, data: TrainingData) -> None:
    settings = replace(SETTINGS["plain"], loss="rank", batch_size=8)
    grouped = Trainer(make_model(), data, replace(settings, prompt_grouped=True)).run_epoch()
    # A batch without a pair has the loss 0; one prompt a batch always has pairs, at about log 2 untrained.
    shuffled = Trainer(make_model(), data, settings).run_epoch()
    assert grouped.train_loss > 0.4
    assert shuffled.train_loss < grouped.train_loss


def test_a_loss_that_needs_deviations_gets_them_in_the_models_units(make_model, data: TrainingData) -> None:
    settings = replace(SETTINGS["plain"], loss="fidelity")
    with pytest.raises(InputError, match="fidelity needs the raters' standard deviations: the data has none"):
        Trainer(make_model(), data, settings)
    rated = replace(data, stds=torch.rand(data.scores.shape) + 0.2)
    ten_times = replace(rated, scores=10 * rated.scores, stds=10 * rated.stds)
    one, other = (Trainer(make_model(), given, settings).run_epoch() for given in (rated, ten_times))
    assert other.train_loss == pytest.approx(one.train_loss, rel=1e-5), "the unit of the scores is no matter"
    unsure = Trainer(make_model(), replace(rated, stds=10 * rated.stds), settings).run_epoch()
    assert unsure.train_loss < 0.5 * one.train_loss
    learned = list(fit(make_model(), rated, replace(settings, epochs=15)))
    assert max(result.objective for result in learned) > 0.7


@pytest.mark.parametrize("loss", ["plcc", "score_distance", "mse+0.5*plcc"])
def test_the_other_losses_learn(make_model, data: TrainingData, loss: str) -> None:
    results = list(fit(make_model(), data, replace(SETTINGS["plain"], epochs=15, loss=loss)))
    assert max(result.objective for result in results) > 0.7


def test_a_target_that_weighs_more_is_learned_better(make_model, two_targets: TrainingData) -> None:
    """The model cannot fit both: its head has one number for two targets of opposite sign."""

    class Torn(torch.nn.Module):
        reads = ("prompt.embedding",)

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.body = torch.nn.Linear(6, 1)

        def calibrate(self, features: object) -> None:
            pass

        def forward(self, features):
            return self.body(features["prompt.embedding"]).expand(-1, 2)

    opposed = replace(two_targets, scores=torch.cat((two_targets.scores[:, :1], -two_targets.scores[:, :1]), 1))
    for weights, sign in (({"quality": 5.0}, 1), ((1.0, 5.0), -1)):
        training = Trainer(Torn(), opposed, replace(SETTINGS["plain"], lr=0.1, target_weights=weights))
        while not training.finished:
            result = training.run_epoch()
        assert sign * result.validation["quality"].srcc > 0.5
    with pytest.raises(InputError, match="target_weights has 3 numbers"):
        Trainer(Torn(), opposed, replace(SETTINGS["plain"], target_weights=(1.0, 1.0, 1.0)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_training_on_a_gpu_learns_and_resumes(make_model, data: TrainingData, settings: FitSettings) -> None:
    device = torch.device("cuda")
    training = Trainer(make_model(), data, settings, device)
    training.run_epoch()
    resumed = Trainer(make_model(seed=3), data, settings, device)
    resumed.load_state_dict(training.state_dict())
    assert resumed.run_epoch().train_loss == pytest.approx(training.run_epoch().train_loss, rel=1e-3)
    assert training.best is not None
    assert all(tensor.device.type == "cpu" for tensor in training.best.model_state.values())
