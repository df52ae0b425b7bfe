from math import isnan, nan

import pandas as pd
import pytest

from orchestrator.data.tables.parse_numbers import parse_numbers

COMMA, THOUSANDS = "decimal comma", "thousands separated by commas"


@pytest.mark.parametrize(
    "cells, values, assumed",
    [
        (["1", " 2.5 ", "-1e3", ""], [1, 2.5, -1000, nan], ()),
        (["0,063", "-0,557", "2,059"], [0.063, -0.557, 2.059], (COMMA,)),
        (["3", "2,5"], [3, 2.5], (COMMA,)),
        (["2,059", "3,041", "3"], [2.059, 3.041, 3], (COMMA,)),
        (["1,234", "987"], [1234, 987], (THOUSANDS,)),
        (["1,234.5", "987.25"], [1234.5, 987.25], (THOUSANDS,)),
        (["1,234,567", "12"], [1234567, 12], (THOUSANDS,)),
        (["1.234,5", "987,5"], [1234.5, 987.5], (COMMA,)),
        (["1.234.567"], [1234567], ()),
        (["1 234", "987"], [1234, 987], ()),
        (["1\u202f234,5", "987,5"], [1234.5, 987.5], (COMMA,)),
        (["1'234.5"], [1234.5], ()),
        (["85 %", "90.5%"], [85, 90.5], ("per cent",)),
        (["85,5 %", "90,25%", ""], [85.5, 90.25, nan], ("per cent", COMMA)),
        (["0.85", "90%"], [0.85, nan], ()),
        (["\u22121.5", "２"], [-1.5, 2], ()),
        (["1.5", "3,5"], [1.5, nan], ()),
        (["1.5", "n/a", "3 stars", "4/5", "$3"], [1.5, nan, nan, nan, nan], ()),
        (["0,5", "1,234,567"], [nan, nan], ()),
        (["inf", "-inf", "nan", "1e400"], [float("inf"), float("-inf"), nan, float("inf")], ()),
        (["True", "0x10", "1_000"], [nan, nan, nan], ()),
        ([], [], ()),
    ],
)
def test_numbers_are_read_as_people_write_them(cells: list[str], values: list[float], assumed: tuple[str, ...]) -> None:
    numbers = parse_numbers(pd.Series(cells, dtype=str))
    assert [None if isnan(value) else value for value in numbers.values] == [
        None if isnan(value) else value for value in values
    ]
    assert numbers.assumed == assumed


def test_the_table_decides_what_a_comma_means_in_an_ambiguous_column() -> None:
    cells = pd.Series(["1,234", "100"], dtype=str)
    assert parse_numbers(cells).values.tolist() == [1234, 100]
    assert parse_numbers(cells, decimal_comma=True).values.tolist() == [1.234, 100]


@pytest.mark.parametrize("other", ["0.9", "0,9"])
def test_a_column_in_which_only_some_numbers_have_a_percent_sign_is_not_read_as_per_cent(other):
    numbers = parse_numbers(pd.Series(["85,5 %", other]))
    assert numbers.assumed == () and isnan(numbers.values[0])
