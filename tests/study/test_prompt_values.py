"""Values of a cohort as words: spellings of classes and exams, units, numbers that are classes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.cohort import Cohort
from medcl.study.errors import BadInput
from medcl.study.prompt_rules import read_prompt_rules
from medcl.study.prompt_slot import Slot
from medcl.study.prompt_values import slot_values
from tests.study.clinical_files import joined

COHORT = """\
patient,visit,image,eGFR [mL/min/1.73m2],âge donneur,CMV,grade,Empty
P1,J15,a,<15,"64.9",yes,0,
P1,3 months,b,15,64.9,YES,2,
P2,day 30,c,59.9,65,no,1,
P2,D47,d,NA,,other,,
P3,1 year,e,60,80,,2,
"""
SHIPPED = read_prompt_rules().slots


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return joined(tmp_path, COHORT)


def said(cohort: Cohort, slot: Slot) -> list[str]:
    """The first word of each image in turn, "" for none."""
    words = slot_values(cohort, slot).words
    assert set(words) <= set(cohort.cases())
    return [words[case][0] if case in words else "" for case in cohort.cases()]


def classes(variable: str, **words: str) -> Slot:
    return Slot("x", variable, "", "", (), {name: (word,) for name, word in words.items()})


def test_exams_match_by_their_time(cohort: Cohort) -> None:
    """The public code compared J15 with D15 and found no exam."""
    assert said(cohort, SHIPPED["exam"]) == ["two weeks", "third month", "first month", "", "first year"]
    notes = slot_values(cohort, SHIPPED["exam"]).notes
    assert "'D47' of column 'exam' has no words (1 image)" in notes
    assert "'J15' is D15, 'day 30' is D30, '3 months' is M3, '1 year' is M12" in notes


def test_headers_match_by_their_synonyms_and_limits_count_as_their_number(cohort: Cohort) -> None:
    """The public code compared age_donneur with age_donor and never spoke of the donor."""
    assert said(cohort, SHIPPED["gfr"]) == ["very low", "very low", "medium", "", "high"]
    assert said(cohort, SHIPPED["donor_age"]) == ["low", "low", "high", "", "high"]
    assert (
        "column 'âge donneur' states no unit; its values are read as years"
        in slot_values(cohort, SHIPPED["donor_age"]).notes
    )


def test_classes_match_without_case(cohort: Cohort) -> None:
    assert said(cohort, classes("cmv", Yes="present", no="absent")) == ["present", "present", "absent", "", ""]
    assert "'other' of column 'CMV' has no words (1 image)" in slot_values(cohort, classes("CMV", yes="x")).notes


def test_numbers_can_be_classes(cohort: Cohort) -> None:
    slot = classes("grade", **{"0": "none", "2.0": "much"})
    assert said(cohort, slot) == ["none", "much", "", "", "much"]
    assert "'1' of column 'grade' has no words (1 image)" in slot_values(cohort, slot).notes


def test_a_window_is_a_variable(tmp_path: Path) -> None:
    lab = "patient,days,creatinine [mg/dL]\nP1,10,1\nP1,20,3\nP2,15,1\n"
    found = joined(tmp_path, COHORT, lab=lab)
    slot = Slot("x", "screat@15+-10", "umol/L", "", (100.0,), (("low",), ("high",)))
    assert said(found, slot) == ["high", "high", "low", "low", ""]


def test_a_column_without_values_is_told(cohort: Cohort) -> None:
    found = slot_values(cohort, Slot("x", "empty", "", "", (1.0,), (("a",), ("b",))))
    assert (found.words, found.notes) == ({}, ("column 'Empty' has no value in any image",))


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        (Slot("x", "gfrr", "", "", (1.0,), (("a",), ("b",))), "no column 'gfrr'. Nearest: 'eGFR"),
        (Slot("x", "cmv", "", "", (1.0,), (("a",), ("b",))), r"'CMV' holds classes \(no, other, YES\) and no numbers"),
        (Slot("x", "gfr", "L/h", "", (1.0,), (("a",), ("b",))), "'mL/min/1.73m2', which cannot be converted to 'L/h'"),
        (
            classes("cmv", ja="a", nein="b"),
            r"'CMV' \(no, other, YES\) has words; words has ja, nein: write the classes",
        ),
        (classes("exam", M6="half a year"), r"'exam' \(J15, day 30, D47, 3 months, 1 year\) has words; words has M6"),
        (classes("gfr", low="a"), "holds numbers, and words has the classes low: give thresholds, or the numbers"),
        (classes("grade", **{"7": "a"}), r"'grade' \(0, 1, 2\) has words; words has 7"),
    ],
)
def test_what_does_not_fit_is_refused(cohort: Cohort, slot: Slot, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        slot_values(cohort, slot)
