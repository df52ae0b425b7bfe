"""Parameters as people read them."""

from orchestrator.search.varied_parameters import format_value, varied_parameters
from tests.search.small_ledger import SPACE


def test_learning_rates_come_first_and_widths_are_one_list():
    params = {"depth": 2, "width_1": 16, "width_2": 8, "rank": 2, "lr": 3e-3, "loss": "huber", "margin": 0.5}
    found = varied_parameters(SPACE, params)
    assert [(one.name, one.value, one.default) for one in found] == [
        ("lr", 3e-3, 1e-3),
        ("widths", [16, 8], [16]),
        ("rank", 2, 2),
        ("loss", "huber", "huber"),
        ("margin", 0.5, 0.5),
    ]
    assert [one.name for one in found if one.differs] == ["lr", "widths"]


def test_a_parameter_that_the_configuration_lacks_is_not_listed():
    params = {"depth": 1, "width_1": 16, "rank": 2, "lr": 1e-3, "loss": "mse"}
    assert [one.name for one in varied_parameters(SPACE, params)] == ["lr", "widths", "rank", "loss"]


def test_floats_have_three_digits():
    assert format_value(2.0e-4) == "0.0002" and format_value(True) == "True"
