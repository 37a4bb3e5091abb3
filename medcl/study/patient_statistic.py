"""Mean or standard deviation of all values that are known of a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medcl.study.creatinine import CREATININE
from medcl.study.errors import BadInput
from medcl.study.kidney_function import NAME as DERIVED
from medcl.study.kidney_function import derived_readings, is_derived
from medcl.study.names import canonical_name, key
from medcl.study.plural import counted
from medcl.study.readings import Readings
from medcl.study.unit_factor import factor_to
from medcl.study.variable import Variable
from medcl.study.window_values import readings_named

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

LEAST = {"mean": 1, "sd": 2}
"""So many values a patient needs."""


def patient_statistic(cohort: Cohort, name: str, statistic: str, unit: str) -> tuple[pd.Series, list[str]]:
    """The statistic of each image's patient, by case; missing where the patient has too few values.

    A patient's values are the readings of laboratory tables (patient, day, value), however long after the image they
    were taken; a patient without any has the values of the exams, in cohort.csv and in clinical tables, each exam once
    whatever the number of its images. The exams' values are not added to readings, since they are some of them as a
    rule and would count twice. The standard deviation is the sample's (n - 1); a patient with one value has none.

    Args:
        cohort: with its clinical tables.
        name: of a numeric variable.
        statistic: "mean" or "sd".
        unit: into which values are converted; "" for the first table's.

    Returns:
        Values by case, and notes for people.

    Raises:
        BadInput: there is no such variable, it holds classes, has one value a patient, or a unit that cannot be
            converted.
    """
    laboratory, exams = _known(cohort, name)
    notes: dict[str, None] = {}
    wanted = unit or (laboratory + exams)[0].unit
    at_times = _frame(laboratory, wanted, notes).drop_duplicates(["patient", "day", "date", "value"])
    at_exams = _by_exam(_frame(exams, wanted, notes))
    without = ~at_exams["patient"].isin(at_times["patient"])
    pool = pd.concat([part for part in (at_times, at_exams[without]) if len(part)] or [at_times])
    groups = pool.groupby("patient")["value"]
    found = groups.std(ddof=1) if statistic == "sd" else groups.mean()
    patients = cohort.frame.set_index("case")["patient"]
    values = patients.map(found.astype(np.float64)).rename(f"{name}:{statistic}")
    if laboratory:
        count, others = at_times["patient"].nunique(), at_exams.loc[without, "patient"].nunique()
        files = ", ".join(dict.fromkeys(each.file.name for each in laboratory))
        rest = f", of {counted(others, 'patient')} without any the exams' values" if others else ""
        notes[f"values are the readings in {files} of {counted(count, 'patient')}{rest}"] = None
    few = patients[values.isna()].nunique()
    if few:
        notes[f"{counted(few, 'patient')} with fewer than {counted(LEAST[statistic], 'value')}"] = None
    return values, list(notes)


def _known(cohort: Cohort, name: str) -> tuple[list[Readings], list[Readings]]:
    """The readings of laboratory tables, and those by exam."""
    names = [*cohort.variables, *(each.name for each in cohort.readings)]
    found = next((each for each in names if key(each) == key(canonical_name(name))), None)
    if found is not None:
        first, exams = readings_named(cohort, found, exams=False), readings_named(cohort, found, exams=True)
    elif is_derived(name):
        first, exams = (
            derived_readings(cohort, readings_named(cohort, CREATININE, exams=each)) for each in (False, True)
        )
        found = DERIVED
    else:
        found = cohort.variable(name).name  # tells the nearest names, unless it is a column such as exam or days
        raise BadInput(f"'{found}' is no clinical variable: a statistic needs one with several values a patient.")
    laboratory = [each for each in first if each.form == "time"]
    if not laboratory and not exams:
        raise BadInput(
            f"'{found}' has one value a patient, of which there is no standard deviation or mean: leave statistic out."
        )
    return laboratory, exams


def _frame(readings: list[Readings], unit: str, notes: dict[str, None]) -> pd.DataFrame:
    """All rows of the readings, values in `unit`."""
    parts, problems = [], list[str]()
    for each in readings:
        if each.kind != "numeric":
            problems.append(f"{each.file}: column '{each.header}' holds classes, and a statistic takes numbers.")
            continue
        variable = Variable(each.name, each.header, each.unit, each.kind, each.frame["value"])
        try:
            factor, note = factor_to(variable, unit)
        except BadInput as error:
            problems += [f"{each.file}: {problem}" for problem in error.problems]
            continue
        if note:
            notes[note] = None
        parts.append(each.frame.assign(value=each.frame["value"].astype(np.float64) * factor))
    if problems:
        raise BadInput(list(dict.fromkeys(problems)))
    empty = pd.DataFrame({"patient": [], "exam": [], "day": [], "date": [], "value": []})
    return pd.concat([part for part in parts if len(part)] or [empty], ignore_index=True)


def _by_exam(frame: pd.DataFrame) -> pd.DataFrame:
    """One value for each exam of a patient, the mean of those of its images and tables; without exam each other one."""
    labelled = frame[frame["exam"] != ""]
    means = labelled.groupby(["patient", "exam"], sort=False)["value"].mean().reset_index()
    others = frame[frame["exam"] == ""].drop_duplicates(["patient", "day", "date", "value"])
    return pd.concat([means, others[["patient", "value"]]], ignore_index=True)
