"""Days of images and readings: told, from dates, or from an exam's label, in that order."""

from __future__ import annotations

import math
from pathlib import Path

from medcl.study.timeline import Timeline, nominal_days
from tests.study.clinical_files import joined

DATED = """\
patient,exam,image,days,date,transplant date
P1,D15,a,14,,2020-01-01
P1,M3,b,,2020-04-01,2020-01-01
P1,M12,c,,,2020-01-01
P2,D15,d,10,2020-03-11,
P2,M3,e,,2020-06-01,
P2,X,f,,,
P3,D15,g,10,2020-03-11,
P3,M3,h,10,2020-03-20,
"""


def timeline(folder: Path) -> Timeline:
    return Timeline.of(joined(folder, DATED).frame, {})


def test_days_of_images(tmp_path: Path) -> None:
    images = timeline(tmp_path).images
    assert list(images.loc[["P1_D15", "P1_M3", "P1_M12", "P2_M3"], "day"]) == [14, 91, 365, 92]
    assert list(images["nominal"]) == [False, False, True, False, False, False, False, False]
    assert math.isnan(images.loc["P2_X", "day"])


def test_a_reference_date_is_taken_from_date_and_days_where_they_agree(tmp_path: Path) -> None:
    found = timeline(tmp_path)
    assert found.references["P2"] - found.references["P1"] == 60
    assert "P3" not in found.references
    assert found.unclear == ("P3",)


def test_readings_of_an_exam_have_the_days_of_its_images(tmp_path: Path) -> None:
    cohort = joined(tmp_path, DATED, wide="patient,GFR D15,GFR M3,GFR M24\nP1,40,41,42\nP2,50,,\n")
    (gfr,) = cohort.readings
    days = {(row.patient, row.exam): (row.day, row.nominal) for row in gfr.frame.itertuples()}
    assert days == {
        ("P1", "D15"): (14, False),
        ("P1", "M3"): (91, False),
        ("P1", "M24"): (730, True),
        ("P2", "D15"): (10, False),
    }


def test_readings_with_dates_get_days(tmp_path: Path) -> None:
    cohort = joined(tmp_path, DATED, lab="patient,date,gfr\nP1,2020-01-08,40\nP2,2020-03-11,50\nP3,2020-03-11,60\n")
    assert list(cohort.readings[0].frame["day"].fillna(-1)) == [7, 10, -1]


def test_the_reference_date_may_stand_in_a_clinical_table(tmp_path: Path) -> None:
    cohort = joined(
        tmp_path,
        "patient,exam,image\nP1,D15,a\n",
        people="patient,transplant date\nP1,2020-01-01\n",
        lab="patient,date,gfr\nP1,2020-01-08,40\n",
    )
    assert list(cohort.readings[0].frame["day"]) == [7]


def test_what_labels_are_taken_for() -> None:
    assert nominal_days(["M3", "D15", "ED"]) == "D15 = 15, M3 = 91"
