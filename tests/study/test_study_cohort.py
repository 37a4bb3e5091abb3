"""The cohort that commands read: cohort.csv, clinical.csv when it is there, and more tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.study_cohort import read_study_cohort
from tests.study.clinical_files import COHORT, written


def test_clinical_csv_is_read_when_it_is_there(tmp_path: Path) -> None:
    written(tmp_path, cohort=COHORT)
    assert list(read_study_cohort(Study(tmp_path)).variables) == ["gfr"]
    written(tmp_path, clinical="patient,donor age\nP001,50\n")
    assert list(read_study_cohort(Study(tmp_path)).variables) == ["gfr", "donor_age"]


def test_more_tables_are_read_beside_it_each_once(tmp_path: Path) -> None:
    written(tmp_path, cohort=COHORT, clinical="patient,donor age\nP001,50\n")
    (lab,) = written(tmp_path / "elsewhere", lab="patient,days,hb\nP001,5,110\n")
    cohort = read_study_cohort(Study(tmp_path), [lab, tmp_path / "elsewhere" / ".." / "clinical.csv", lab])
    assert [each.name for each in cohort.readings] == ["donor_age", "hb"]


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path, cohort=COHORT)
    with pytest.raises(BadInput, match="no such file"):
        read_study_cohort(Study(tmp_path), [tmp_path / "gone.csv"])
