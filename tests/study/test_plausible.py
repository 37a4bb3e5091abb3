"""Values outside plausible ranges by row, and units that the values belie."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.plausible import RANGES, implausible_values, missing_unit, plausible_range
from tests.study.clinical_files import joined

TEXT = """\
patient,exam,image,gfr [mL/min/1.73m2],age,screat,ejection fraction [%],note
P1,D15,a,45,50,110,55,900
P1,M3,b,450,50,120,5.5,901
P2,D15,c,<3,507,1.3,4,902
"""


def test_values_are_told_by_row_with_their_unit(tmp_path: Path) -> None:
    found = implausible_values(joined(tmp_path, TEXT))
    assert [line.split("cohort.csv")[1] for line in found] == [
        ", column 'screat': no unit is stated; the values would be plausible in umol/L: write it in the header, as in "
        "'screat [umol/L]'",
        ", row 3, column 'gfr [mL/min/1.73m2]': 450 is outside 0 to 200 mL/min/1.73m2 (medcl's own, generous bounds)",
        ", row 4, column 'age': 507 is outside 0 to 120 years (medcl's own, generous bounds)",
        ", row 4, column 'ejection fraction [%]': 4 is outside 5 to 95 % (medcl's own, generous bounds)",
    ]


def test_a_cohort_in_order_has_none(tmp_path: Path) -> None:
    assert implausible_values(joined(tmp_path, "patient,image,gfr,screat [umol/L]\nP1,a,45,110\nP2,b,,\n")) == []


def test_readings_and_wide_tables_are_told_by_their_own_rows_and_columns(tmp_path: Path) -> None:
    lab = "patient,days,screat [mg/dL]\nP1,1,1.2\nP1,2,130\nP1,3,1.3\n"
    wide = "patient,GFR D15,GFR M3\nP1,50,500\n"
    found = implausible_values(joined(tmp_path, "patient,exam,image\nP1,D15,a\n", lab=lab, wide=wide))
    assert len(found) == 2
    assert "lab.csv, row 3, column 'screat [mg/dL]': 130 is outside 0.17 to 34 mg/dL" in found[0]
    assert "wide.csv, row 2, column 'GFR M3': 500 is outside 0 to 200" in found[1]


def test_many_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"P{number},a{number},500\n" for number in range(30)) + "".join(f"Q{n},b{n},50\n" for n in range(40))
    found = implausible_values(joined(tmp_path, "patient,image,gfr\n" + rows))
    assert len(found) == 11
    assert "20 more like these (implausible values)" in found[-1]


def test_an_unknown_unit_is_told_not_guessed(tmp_path: Path) -> None:
    (found,) = implausible_values(joined(tmp_path, "patient,image,screat [mg/L]\nP1,a,12\n"))
    assert "values in 'mg/L' are not checked: known are umol/L, mg/dL, mmol/L" in found


@pytest.mark.parametrize(
    ("unit", "cells"), [("umol/L", "1.1 1.3 130"), ("mg/dL", "110 95 1.3"), ("mmol/L", "110 95 0.1")]
)
def test_values_of_the_other_unit_are_refused(tmp_path: Path, unit: str, cells: str) -> None:
    rows = "".join(f"P{number},a{number},{cell}\n" for number, cell in enumerate(cells.split()))
    with pytest.raises(BadInput, match=f"2 of the 3 values .* are implausible in {unit}.*correct the unit"):
        joined(tmp_path, f"patient,image,screat [{unit}]\n{rows}")


def test_a_few_values_of_the_other_unit_are_listed_not_refused(tmp_path: Path) -> None:
    (found,) = implausible_values(joined(tmp_path, "patient,image,screat [umol/L]\nP1,a,110\nP2,b,120\nP3,c,1.3\n"))
    assert "row 4, column 'screat [umol/L]': 1.3 is outside 15 to 3000 umol/L" in found


def test_missing_units_are_noted_where_they_matter(tmp_path: Path) -> None:
    cohort = joined(tmp_path, "patient,image,gfr,hct,haemoglobin [g/L]\nP1,a,45,0.4,120\n")
    assert missing_unit(cohort.variable("gfr")) == ""
    assert "plausible in (fraction): write it in the header" in missing_unit(cohort.variable("haematocrit"))
    assert missing_unit(cohort.variable("haemoglobin")) == ""


@pytest.mark.parametrize("name", sorted(RANGES))
def test_every_range_is_found_by_each_spelling_of_its_unit(name: str) -> None:
    for each in RANGES[name]:
        assert each.low < each.high
        for unit in each.units:
            assert plausible_range(name, unit) is each
            assert plausible_range(name, unit.upper()) is each
