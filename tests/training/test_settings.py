import pytest

from orchestrator.errors import InputError
from orchestrator.training import FitSettings


def test_settings_survive_the_way_to_json() -> None:
    settings = FitSettings(epochs=3, loss="l1+0.5*rank", ema=0.9)
    assert FitSettings.from_dict(settings.as_dict()) == settings


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
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FitSettings.from_dict({**FitSettings().as_dict(), **change})
