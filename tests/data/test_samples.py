"""Joining store, cohort and splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medcl.data.samples import build_samples
from medcl.study.errors import BadInput
from medcl.study.variable import Variable

IMAGES = [("P2", "D15", "a"), ("P1", "M3", "a"), ("P1", "D15", "a"), ("P3", "D15", "a")]
SPLITS = {"P1": "train", "P2": "train", "P3": "val"}


@dataclass
class OneVariable:
    """A cohort, as far as samples ask it."""

    found: Variable

    def variable(self, name: str) -> Variable:
        assert name == "GFR"
        return self.found


def variable(values: dict[str, Any], kind: str = "numeric") -> Any:
    return OneVariable(Variable("gfr", "eGFR", "mL/min/1.73 m2", kind, pd.Series(values)))


GFR = {"P1_D15_a": 40.0, "P1_M3_a": 45.0, "P2_D15_a": np.nan}


def test_rows_are_sorted_by_case_whatever_the_store_lists(make_store: Callable[..., Any]) -> None:
    for shuffle in (None, 1, 2):
        samples = build_samples(make_store(IMAGES, shuffle=shuffle), variable(GFR), SPLITS, "GFR")
        assert samples.cases.tolist() == ["P1_D15_a", "P1_M3_a", "P2_D15_a", "P3_D15_a"]
        assert [entry.case for entry in samples.entries] == samples.cases.tolist()
        assert samples.splits.tolist() == ["train", "train", "train", "val"]
        np.testing.assert_array_equal(samples.values, [40, 45, np.nan, np.nan])
        assert (samples.variable, samples.label) == ("gfr", "gfr [mL/min/1.73 m2]")
        assert samples.rows("val").tolist() == [3]
        assert samples.patient_codes().tolist() == [0, 0, 1, 2]
        assert samples.spacings().tolist() == [[3.0, 1.0, 1.5]] * 4


def test_classes_are_numbered_in_natural_order(make_store: Callable[..., Any]) -> None:
    cohort = variable({"P1_D15_a": "grade 10", "P1_M3_a": "grade 2", "P2_D15_a": None}, "categorical")
    samples = build_samples(make_store(IMAGES), cohort, SPLITS, "GFR")
    assert samples.classes == ("grade 2", "grade 10")
    np.testing.assert_array_equal(samples.values, [1, 0, np.nan, np.nan])


def test_without_a_variable_there_are_no_values(make_store: Callable[..., Any]) -> None:
    samples = build_samples(make_store(IMAGES), variable(GFR), SPLITS)
    assert samples.values is None
    assert samples.variable == ""


def test_patients_that_the_splits_do_not_name_are_left_out(make_store: Callable[..., Any]) -> None:
    samples = build_samples(make_store(IMAGES), variable(GFR), {"P1": "train"}, None)
    assert set(samples.patients) == {"P1"}
    with pytest.raises(BadInput, match="none of the 4 preprocessed images"):
        build_samples(make_store(IMAGES), variable(GFR), {"P9": "train"}, None)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"P1_D15_a": 40.0, "P1_M3_a": 40.0, "P3_D15_a": 90.0}, "constant"),
        ({"P3_D15_a": 90.0}, "no value"),
    ],
)
def test_a_variable_that_training_patients_do_not_have_is_refused(
    make_store: Callable[..., Any], values: dict[str, float], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        build_samples(make_store(IMAGES), variable(values), SPLITS, "GFR")


def test_different_sizes_are_refused_with_their_cases(make_store: Callable[..., Any]) -> None:
    store = make_store(IMAGES)
    store.entries[0] = replace(store.entries[0], shape=(4, 6, 9))
    with pytest.raises(BadInput) as refused:
        build_samples(store, variable(GFR), SPLITS)
    assert all(word in str(refused.value) for word in ("4 6 9 (1 images, such as P2_D15_a)", "--size"))
