from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.core.numbers import parse_numbers


def parsed(*texts: str) -> list[object]:
    return parse_numbers({"x": pd.Series(list(texts), dtype="str")})["x"].tolist()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1,234,567"], [1234567.0]),
        (["1.234,5"], [1234.5]),
        (["1,234.5", "2,000"], [1234.5, 2000.0]),
        (["1'234.5", "12 345.0", "7\u202f000.5"], [1234.5, 12345.0, 7000.5]),
        (["\u22120.5", "+.5", "5e-1", "1E3"], [-0.5, 0.5, 0.5, 1000.0]),
        (["True", "FALSE"], [1.0, 0.0]),
        (["８９．３％", "\u2212１．５％"], [0.893, -0.015]),
        (["89.3²"], ["89.3²"]),
        (["0,5 %", "12,5%"], [0.005, 0.125]),
        (["0.88 ± 0.01", "0.5"], ["0.88 ± 0.01", "0.5"]),
        (["1,2,3.4.5"], ["1,2,3.4.5"]),
        (["12,34,567.5"], ["12,34,567.5"]),
        (["1_000"], ["1_000"]),
    ],
)
def test_numbers_as_people_write_them(texts: list[str], expected: list[object]) -> None:
    assert parsed(*texts) == expected


def test_one_decimal_mark_counts_for_all_columns() -> None:
    columns = {"accuracy": pd.Series(["0,5"]), "n": pd.Series(["1.000"])}
    assert parse_numbers(columns)["n"].tolist() == [1000.0]
    with pytest.raises(ConfigError):
        parse_numbers({"accuracy": pd.Series(["0,5"]), "n": pd.Series(["0.5"])})


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 2)), min_size=1))
def test_decimal_points_and_commas_are_the_same_numbers(values: list[float]) -> None:
    points = [f"{value:,.2f}" for value in values]
    swap = str.maketrans(".,", ",.")
    assert parsed(*points) == parsed(*(text.translate(swap) for text in points)) == values
