"""Names of exams out of folders and days."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.exam_naming import days_between, label_of_days, label_of_folders
from medcl.study.exams import exam_days

NOMINAL = ("D15", "D30", "M3", "M12")


@pytest.mark.parametrize(
    ("folders", "label"),
    [
        (["P1", "D15", "SE1"], "D15"),
        (["P1", "ses-M3"], "M3"),
        (["P1", "3 months"], "3 months"),
        (["P1", "visit_D30", "M3"], "D30"),
        (["P12", "visit 2", "SE3"], None),
        ([], None),
    ],
)
def test_labels_of_folders(folders: list[str], label: str | None) -> None:
    assert label_of_folders(folders) == label


@pytest.mark.parametrize(
    ("days", "label"),
    [(15, "D15"), (5, "D15"), (4, "D4"), (22, "D15"), (23, "D30"), (40, "D30"), (41, "D41"), (91, "M3"), (113, "M3")]
    + [(114, "D114"), (274, "M12"), (456, "M12"), (457, "D457"), (0, "D0"), (-5, "pre5")],
)
def test_labels_of_days(days: int, label: str) -> None:
    assert label_of_days(days, NOMINAL) == label


def test_without_nominal_exams_a_day_is_its_own_label() -> None:
    assert label_of_days(15, ()) == "D15"


@given(st.integers(0, 5000))
def test_a_label_of_a_day_after_the_reference_tells_a_time_and_one_before_does_not(days: int) -> None:
    assert exam_days(label_of_days(days, NOMINAL)) is not None
    assert exam_days(label_of_days(-days - 11, NOMINAL)) is None


def test_days_between_dates() -> None:
    assert days_between("2020-03-01", "2020-02-28") == 2
    assert days_between("2019-12-31", "2020-01-01") == -1
