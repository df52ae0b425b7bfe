import json

import pytest

from orchestrator.core.errors import InputError
from orchestrator.training import FitSettings


@pytest.mark.parametrize("weights", [None, (1.0, 0.5), [1, 0.5], {"quality": 2.0}])
def test_settings_survive_the_way_to_json(weights) -> None:
    settings = FitSettings(epochs=3, loss="l1+0.5*rank", ema=0.9, target_weights=weights)
    read = json.loads(json.dumps(settings.as_dict()))
    assert FitSettings.from_dict(read) == settings and read == settings.as_dict()


def test_weights_follow_the_targets() -> None:
    targets = ("quality", "alignment")
    assert FitSettings().weights_of(targets) == ()
    assert FitSettings(target_weights=[1, 0.5]).weights_of(targets) == (1.0, 0.5)
    assert FitSettings(target_weights={"alignment": 0.5}).weights_of(targets) == (1.0, 0.5)
    with pytest.raises(InputError, match="has 3 numbers, the targets are quality, alignment"):
        FitSettings(target_weights=[1, 2, 3]).weights_of(targets)
    with pytest.raises(InputError, match="did you mean alignment"):
        FitSettings(target_weights={"aligment": 1}).weights_of(targets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"lr": 0.0}, "lr must be"),
        ({"lr": float("nan")}, "lr must be"),
        ({"ema": 1.0}, "ema must be"),
        ({"warmup": 1.0}, "warmup must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"loss": "hubr"}, "huber"),
        ({"momentum": 0.9}, "momentum"),
        ({"lr": {"low": 0.1}}, "lr must be a number"),
        ({"batch_size": [8, 16]}, "batch_size must be a whole number"),
        ({"loss": ["huber"]}, "loss must be a name"),
        ({"target_weights": [1.0, 0.0]}, "target_weights must be numbers above 0"),
        ({"target_weights": {"quality": float("nan")}}, "target_weights must be numbers above 0"),
        ({"target_weights": []}, "target_weights must be numbers above 0"),
        ({"target_weights": "1,2"}, "target_weights must be numbers above 0"),
        ({"target_weights": 2.0}, "target_weights must be numbers above 0"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FitSettings.from_dict({**FitSettings().as_dict(), **change})
