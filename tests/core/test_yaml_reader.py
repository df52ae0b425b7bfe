"""YAML as people write it."""

import math

import pytest

from orchestrator.core.yaml_reader import read_yaml


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2.5e3", -2500.0),
        (".5e+1", 5.0),
        ("1.0e-4", 1e-4),
        (".inf", math.inf),
        ("'1e-4'", "1e-4"),
        ("mse+0.3*rank", "mse+0.3*rank"),
        ("1e", "1e"),
        ("[on, off, yes, no]", [True, False, True, False]),
        ("~", None),
        ("", None),
        ("{a: &x {b: 1}, c: {<<: *x, d: 2}}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_values_are_read(text, value):
    read = read_yaml(text)
    assert read == value and type(read) is type(value)


def test_an_exponent_without_a_point_is_text_where_yaml_1_1_is_meant():
    assert read_yaml("name: 12e4", exponents=False) == {"name": "12e4"}


@pytest.mark.parametrize(
    "text, reason",
    [
        ("a: 1\nb: 2\na: 3", "the key a is there twice, in lines 1 and 3"),
        ("a: {b: 1, b: 2}", "the key b is there twice, in line 1"),
        ("a: [1", "line 1: expected"),
        ("\tx", "line 1: found character"),
        ("a: 1\n--- \nb: 2", "expected a single document"),
        ("[" * 3000, "nested too deeply"),
        ("a: 2024-13-45", "month must be"),
        ("? [1]\n: 2", "unhashable"),
        ("a: *b", "undefined alias"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        ("a: \x00", "special characters"),
        ("a: " + "9" * 5000, "4300 digits"),
    ],
)
def test_what_cannot_be_read_has_a_reason_in_one_line(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        read_yaml(text)
    assert "\n" not in str(caught.value)
