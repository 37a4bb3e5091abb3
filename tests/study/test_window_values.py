"""Windows over readings against arithmetic by hand, and against a slow twin on random readings."""

from __future__ import annotations

import math
import statistics
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.study.cohort import Cohort
from medcl.study.errors import BadInput
from tests.study.clinical_files import COHORT, joined

LAB = """\
patient,days,hb [g/L]
P001,10,100
P001,14,110
P001,20,126
P001,91,90
P002,15,<80
P002,16,85
P002,400,120
P002,,999
"""


def lab(folder: Path) -> Cohort:
    return joined(folder, lab=LAB)


def values(cohort: Cohort, text: str) -> list[float | None]:
    return [None if math.isnan(value) else value for value in cohort.variable(text).values]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("hb@15+-5", 112, 82.5),
        ("hb@15+-5:median", 110, 82.5),
        ("hb@15+-5:last", 126, 85),
        ("hb@15+-5:nearest", 110, 80),
        ("hb@15+-5:sd", statistics.stdev([100, 110, 126]), statistics.stdev([80, 85])),
        ("hb@15+-4.9", 110, 82.5),
        ("hb@14+-0", 110, None),
        ("hb@12+-2:nearest", 105, None),
        ("hb@14+-1:sd", None, None),
        ("hb@M12+-2m", None, 120),
    ],
)
def test_a_window_around_a_day(tmp_path: Path, text: str, first: float | None, second: float | None) -> None:
    found = values(lab(tmp_path), text)
    expected = [first] * 3 + [second] * 2
    assert found == [None if value is None else pytest.approx(value) for value in expected]


def test_a_window_around_each_exam(tmp_path: Path) -> None:
    assert values(lab(tmp_path), "hb@exam+-5") == [112, 90, None, 82.5, None]
    assert values(lab(tmp_path), "hb@exam+-35:last") == [126, 90, None, 85, 120]


def test_a_window_is_a_variable_with_name_unit_limits_and_notes(tmp_path: Path) -> None:
    found = lab(tmp_path).variable("Hb @ 15 ± 5")
    assert (found.name, found.label, found.kind) == ("hb@15+-5", "hb@15+-5 [g/L]", "numeric")
    assert found.censored == {"P002_D15", "P002_M12"}
    assert found.notes == (
        "the mean; 2 to 3 readings a patient (median 2.5) within days 10 to 20",
        "readings without a day are left out (1)",
        "made of the readings in lab.csv",
    )
    around = lab(tmp_path).variable("hb@exam+-5")
    assert around.censored == {"P002_D15"}
    assert (
        "days assumed from the exams' labels, counted from the reference date: D15 = 15, M3 = 91, M12 = 365"
        in around.notes
    )
    again = lab(tmp_path).variable(found.name)
    assert again.values.equals(found.values)


def test_days_between_dates_need_no_reference_date(tmp_path: Path) -> None:
    text = "patient,exam,image,date\nP1,D15,a,2020-01-16\nP1,M3,b,2020-04-01\n"
    cohort = joined(tmp_path, text, lab="patient,date,hb\nP1,2020-01-10,100\nP1,2020-04-05,120\n")
    assert values(cohort, "hb@exam+-7") == [100, 120]
    assert not any("assumed" in note for note in cohort.variable("hb@exam+-7").notes)
    with pytest.raises(BadInput, match=r"no reading of 'hb' has a day. Give its table a column days, or a column date"):
        cohort.variable("hb@15+-7")


def test_the_days_of_the_images_win_over_what_their_exams_are_called(tmp_path: Path) -> None:
    text = "patient,exam,image,days\nP1,D15,a,40\n"
    cohort = joined(tmp_path, text, lab="patient,days,hb\nP1,15,100\nP1,41,120\n")
    assert values(cohort, "hb@exam+-5") == [120]


def test_a_cohort_alone_has_windows_over_its_exams(tmp_path: Path) -> None:
    cohort = joined(tmp_path, COHORT.replace("P001,M12,c,", "P001,M12,c,80"))
    assert values(cohort, "gfr@365+-60") == [80, 80, 80, 70, 70]
    assert values(cohort, "gfr@50+-50") == [45, 45, 45, 60, 60]
    assert any("D15 = 15" in note for note in cohort.variable("gfr@50+-50").notes)


def test_several_images_of_an_exam_count_once(tmp_path: Path) -> None:
    text = "patient,exam,sequence,image,gfr\nP1,D15,t1,a,40\nP1,D15,t2,b,40\nP1,M3,t1,c,70\n"
    assert values(joined(tmp_path, text), "gfr@50+-50") == [55, 55, 55]


def test_a_laboratory_table_is_taken_instead_of_the_exams_own_values(tmp_path: Path) -> None:
    cohort = joined(tmp_path, lab="patient,days,gfr [mL/min]\nP001,14,42\nP001,16,44\n")
    assert values(cohort, "gfr@15+-5") == [43, 43, 43, None, None]
    assert values(cohort, "gfr") == [40, 50, None, 60, 70]
    assert values(cohort, "gfr@D15") == [40, 40, 40, 60, 60]


def test_the_value_of_one_exam(tmp_path: Path) -> None:
    cohort = joined(tmp_path, wide="patient,GFR M6,GFR M24,rejection M6,rejection M24\nP001,45,,yes,no\nP002,,77,,no\n")
    assert values(cohort, "gfr@M24") == [None, None, None, 77, 77]
    assert values(cohort, "gfr@24 months") == values(cohort, "gfr@M24")
    assert cohort.variable("gfr@24 months").name == "gfr@M24"
    assert list(cohort.variable("rejection@M6").values) == ["yes"] * 3 + [None] * 2
    assert cohort.variable("gfr@M6").notes == ("1 of 2 patients have no value",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hb@2000+-5", "no reading is within days 1995 to 2005; the readings are of days 10 to 400"),
        ("hb@exam+-0", "no reading is within 0 days of the image's exam"),
        ("gfr@M9", r"'gfr' has no value at an exam 'M9'; the exams are D15, M3, M12"),
        ("hb@M3", "'hb' has readings at their times, but none by exam"),
        ("donor_age@365+-5", "'donor_age' has one value a patient and no times: ask for it as 'donor_age'"),
        ("rejection@365+-5", "'rejection' holds classes, and a window takes numbers"),
        ("hbb@365+-5", r"no column 'hbb'. Nearest: 'hb \[g/L\]' \(hb\).* --clinical FILE"),
    ],
)
def test_what_cannot_be_answered(tmp_path: Path, text: str, told: str) -> None:
    tables = {"people": "patient,donor age\nP001,50\nP002,60\n", "visits": "patient,exam,rejection\nP001,M3,yes\n"}
    readings = LAB.replace("P001,91,90\n", "P001,92,90\n").replace("P002,15,<80\n", "P002,17,<80\n")
    cohort = joined(tmp_path, lab=readings, **tables)
    with pytest.raises(BadInput, match=told):
        cohort.variable(text)


def test_readings_in_two_units_are_converted_or_refused(tmp_path: Path) -> None:
    one = "patient,days,screat [mg/dL]\nP001,5,1\n"
    cohort = joined(tmp_path, one=one, two="patient,days,screat [umol/L]\nP001,6,176.84\n")
    assert cohort.variable("screat@5+-3").label == "screat@5+-3 [mg/dL]"
    assert values(cohort, "screat@5+-3")[0] == pytest.approx(1.5)
    cohort = joined(tmp_path, one=one, two="patient,days,screat\nP001,6,176.84\n")
    with pytest.raises(BadInput, match=r"\(mg/dL, numeric\) and .* \(no unit, numeric\) cannot be read together"):
        cohort.variable("screat@5+-3")


READINGS = st.lists(
    st.tuples(st.sampled_from(["P001", "P002"]), st.integers(-20, 40), st.integers(1, 50)),
    min_size=1,
    max_size=25,
    unique=True,
)


def by_hand(readings: list[tuple[str, int, int]], patient: str, low: float, high: float, reducer: str) -> float | None:
    inside = [(day, value) for who, day, value in readings if who == patient and low <= day <= high]
    if not inside or (reducer == "sd" and len(inside) < 2):
        return None
    numbers = [value for _, value in inside]
    if reducer in ("last", "nearest"):
        middle = (low + high) / 2
        best = max(day if reducer == "last" else -abs(day - middle) for day, _ in inside)
        numbers = [value for day, value in inside if (day if reducer == "last" else -abs(day - middle)) == best]
    maker = {"median": statistics.median, "sd": statistics.stdev}.get(reducer, statistics.mean)
    return float(maker(numbers))


@settings(max_examples=60, deadline=None)
@given(READINGS, st.integers(-10, 30), st.integers(0, 20), st.sampled_from(["mean", "median", "last", "nearest", "sd"]))
def test_against_a_slow_twin(
    tmp_path_factory: pytest.TempPathFactory,
    readings: list[tuple[str, int, int]],
    centre: int,
    half: int,
    reducer: str,
) -> None:
    text = "patient,days,hb\n" + "".join(f"{who},{day},{value}\n" for who, day, value in readings)
    cohort = joined(tmp_path_factory.mktemp("twin"), lab=text + "P001,500,1\nP002,500,1\nP001,501,2\n")
    expected = [by_hand(readings, who, centre - half, centre + half, reducer) for who in ("P001", "P002")]
    asked = f"hb@{centre}+-{half}:{reducer}"
    if not any(centre - half <= day <= centre + half for _, day, _ in readings):
        with pytest.raises(BadInput, match="no reading is within"):
            cohort.variable(asked)
        return
    found = values(cohort, asked)
    assert [found[0], found[3]] == [None if value is None else pytest.approx(value) for value in expected]
    wider = values(cohort, f"hb@{centre}+-{half + 1000}:sd")
    assert wider[0] is not None
    assert wider[0] != found[0]  # a broken window, one that takes everything, would not pass


def test_seventy_thousand_readings_take_little_time(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    patients = random.integers(0, 400, 70_000)
    days = np.round(random.gamma(1.0, 900.0, 70_000), 3)
    gfr = np.round(random.normal(50, 15, 70_000).clip(3), 5)
    lines = [f"{who},{day},{value}" for who, day, value in zip(patients, days, gfr, strict=True)]
    rows = [f"{who},{exam},{who}_{exam}" for who in range(0, 400, 4) for exam in ("D15", "M3", "M12")]
    began = time.perf_counter()
    cohort = joined(tmp_path, "patient,exam,image\n" + "\n".join(rows), lab="patient,days,gfr\n" + "\n".join(lines))
    read = time.perf_counter()
    found = cohort.variable("gfr@365+-60")
    cohort.variable("gfr@exam+-14:median")
    done = time.perf_counter()
    inside = (patients == 0) & (np.abs(days - 365) <= 60)
    assert found.values["0_D15"] == pytest.approx(gfr[inside].mean())
    assert read - began < 15
    assert done - read < 2
