"""The cohort of a study with its clinical tables: what every command that uses variables reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medcl.study.clinical import join_clinical
from medcl.study.cohort import Cohort, read_cohort
from medcl.study.folder import Study


def read_study_cohort(study: Study, clinical: Sequence[Path] = ()) -> Cohort:
    """cohort.csv with clinical.csv, when it is there, and more clinical tables.

    Images need not exist on this machine.

    Args:
        study: the study.
        clinical: tables beside clinical.csv.

    Raises:
        BadInput: a table cannot be used, or the tables contradict each other.
    """
    cohort = read_cohort(study.cohort_file, need_images=False)
    files = [study.clinical_file] if study.clinical_file.is_file() else []
    for file in clinical:
        if file.resolve() not in {other.resolve() for other in files}:
            files.append(file)
    return join_clinical(cohort, files) if files else cohort
