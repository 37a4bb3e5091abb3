"""Variables that cannot teach anything are refused."""

from __future__ import annotations

import pandas as pd
import pytest

from medcl.study.errors import BadInput
from medcl.study.variable import Kind, Variable, require_usable


def variable(values: list[float | str | None], kind: Kind = "numeric") -> Variable:
    dtype = "float64" if kind == "numeric" else object
    return Variable("gfr", "eGFR", "mL/min", kind, pd.Series(values, index=list("abcd")[: len(values)], dtype=dtype))


def test_a_variable_with_two_values_is_usable() -> None:
    require_usable(variable([1, None, 2]))
    require_usable(variable(["x", "y", None], "categorical"))


def test_all_missing_is_refused() -> None:
    with pytest.raises(BadInput, match=r"'eGFR' \(gfr\) has no value in any of the 2 images"):
        require_usable(variable([None, None]))


@pytest.mark.parametrize(
    ("values", "kind", "shown"), [([2.5, None, 2.5], "numeric", "2.5"), (["x", "x"], "categorical", "'x'")]
)
def test_constant_is_refused(values: list[float | str | None], kind: Kind, shown: str) -> None:
    with pytest.raises(BadInput, match=f"is constant: {shown} in all 2 images"):
        require_usable(variable(values, kind))


def test_only_the_given_cases_count() -> None:
    with pytest.raises(BadInput, match="constant"):
        require_usable(variable([1, 1, 2]), ["a", "b"])
    with pytest.raises(BadInput, match="no value in any of the 1"):
        require_usable(variable([1, 2, None]), ["c"])


def test_present_and_classes() -> None:
    assert list(variable([3, None, 1]).present) == [3, 1]
    assert variable(["G10", "G2", None], "categorical").classes == ["G2", "G10"]
    assert variable([3, 1]).classes == []
