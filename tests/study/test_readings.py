"""Variables as readings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medcl.study.readings import COLUMNS, readings_of
from medcl.study.variable import Variable

PLACES = pd.DataFrame(
    {
        "patient": ["P1", "P1", "P2"],
        "exam": ["", "", ""],
        "day": [1.0, 1.0, np.nan],
        "date": [np.nan] * 3,
        "row": [2, 3, 4],
    }
)


def test_missing_values_are_left_out_and_limits_kept() -> None:
    values = pd.Series([40.0, None, 60.0], index=["2", "3", "4"])
    variable = Variable("gfr", "eGFR", "mL/min", "numeric", values, frozenset({"4"}))
    found = readings_of(variable, PLACES, Path("t.csv"), "time")
    assert tuple(found.frame.columns) == COLUMNS
    assert found.frame["row"].tolist() == [2, 4]
    assert found.frame["limit"].tolist() == [False, True]
    assert found.frame["column"].tolist() == ["eGFR", "eGFR"]
    assert readings_of(variable, PLACES, Path("t.csv"), "time", "other").name == "other"


def test_rows_that_say_the_same_again_count_once() -> None:
    values = pd.Series([40.0, 40.0, 40.0], index=["2", "3", "4"])
    found, again = readings_of(Variable("gfr", "gfr", "", "numeric", values), PLACES, Path("t.csv"), "time").once()
    assert (found.frame["row"].tolist(), again) == ([2, 4], 1)
