"""Values of a variable at one exam, or within a window of days: from readings to one value an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medcl.study.clinical import in_unit
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.plural import counted
from medcl.study.readings import Readings, readings_of
from medcl.study.timeline import Timeline, nominal_days
from medcl.study.variable import Variable
from medcl.study.wide_table import match_exams
from medcl.study.window import REDUCERS, Request, Window

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

SAME_VALUE = 0.01
"""Relative difference up to which the values of one exam (of its sequences, of two tables) are one value."""


def readings_named(cohort: Cohort, name: str, *, exams: bool) -> list[Readings]:
    """The readings of a variable that a request is answered from.

    Those of a laboratory table, where there is one; the exams' own values are usually some of them and would count
    twice. Without one, or when `exams` asks for them, the values by exam: of cohort.csv, then of the clinical tables.
    A patient's one value (donor age) has no time and is none of them.
    """
    readings = [each for each in cohort.readings if each.name == name and each.form == "time"]
    if readings and not exams:
        return readings
    timeline = cohort.timeline or Timeline.of(cohort.frame, {})
    found = []
    if name in cohort.own:
        images = timeline.images.reset_index(drop=True)
        places = images.assign(row=cohort.frame["row"].to_numpy(), day=images["day"].where(~images["nominal"]))
        found.append(timeline.complete(readings_of(cohort.own[name], places, cohort.file, "exam")))
    return found + [each for each in cohort.readings if each.name == name and each.form == "exam"]


def requested_value(cohort: Cohort, request: Request, readings: list[Readings]) -> Variable:
    """The variable that a request with an exam or a window asks for.

    Args:
        cohort: its images.
        request: with its canonical name.
        readings: of that name.

    Raises:
        BadInput: there are no readings, none is of that exam or within that window, or their units differ.
    """
    if not readings:
        what = "readings at their times, but none by exam" if request.exam else "one value a patient and no times"
        how = f"{request.name}@365+-60" if request.exam else request.name
        raise BadInput(f"'{request}': '{request.name}' has {what}: ask for it as '{how}'.")
    pool = _pooled(request, readings)
    if request.exam is not None:
        return _of_exam(cohort, request, pool)
    assert request.window is not None
    files = ", ".join(dict.fromkeys(each.file.name for each in readings))
    found = _of_window(cohort, request, request.window, pool)
    return replace(found, notes=(*found.notes, f"made of the readings in {files}"))


def _pooled(request: Request, readings: list[Readings]) -> Readings:
    """All readings in the unit of the first, each once."""
    first, parts = readings[0], []
    for each in readings:
        same = in_unit(each, first.unit)
        if same is None or each.kind != first.kind:
            raise BadInput(
                f"'{request}': '{first.header}' of {first.file} ({first.unit or 'no unit'}, {first.kind}) and "
                f"'{each.header}' of {each.file} ({each.unit or 'no unit'}, {each.kind}) cannot be read together: "
                "state the same unit in both headers, or rename one."
            )
        parts.append(same.frame)
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return first.with_frame(frame.drop_duplicates(["patient", "day", "date", "value"]))


def _of_exam(cohort: Cohort, request: Request, pool: Readings) -> Variable:
    assert request.exam is not None
    labels = exam_order(set(pool.frame["exam"]) - {""})
    exam = match_exams([request.exam], labels).get(request.exam)
    if exam is None:
        there = ", ".join(labels) or "none"
        raise BadInput(
            f"'{request}': '{request.name}' has no value at an exam '{request.exam}'; the exams are {there}. "
            f"A window of days is asked for as {request.name}@365+-60."
        )
    frame = pool.frame[pool.frame["exam"] == exam]
    again = frame.groupby("patient")["value"].nunique()
    for patient in again.index[again > 1]:
        values = frame.loc[frame["patient"] == patient, "value"]
        if pool.kind != "numeric" or values.max() - values.min() > SAME_VALUE * abs(values.max()):
            shown = ", ".join(map(str, values[:5]))
            raise BadInput(
                f"'{request}': patient '{patient}' has several values at {exam} ({shown}); "
                f"ask for a window, as in {request.name}@{exam}+-14."
            )
    frame = frame.drop_duplicates("patient").set_index("patient")
    patients = cohort.frame.set_index("case")["patient"]
    name = f"{request.name}@{exam}"
    values = patients.map(frame["value"]).rename(name)
    values = values.astype(np.float64) if pool.kind == "numeric" else values.astype(object).where(values.notna(), None)
    limits = set(frame.index[frame["limit"].astype(bool)])
    censored = frozenset(case for case, who in zip(cohort.cases(), patients, strict=True) if who in limits)
    return Variable(name, name, pool.unit, pool.kind, values, censored, _people(cohort, values))


def _of_window(cohort: Cohort, request: Request, window: Window, pool: Readings) -> Variable:
    if pool.kind != "numeric":
        raise BadInput(
            f"'{request}': '{pool.header}' holds classes, and a window takes numbers; ask for an exam, as in "
            f"{request.name}@M12."
        )
    timeline = cohort.timeline or Timeline.of(cohort.frame, {})
    frame = pool.frame.assign(value=pool.frame["value"].astype(np.float64))
    times = ["day"] if window.centre is not None else ["day", "date"]
    if frame[times].isna().all(axis=None):
        raise BadInput(
            f"'{request}': no reading of '{pool.header}' has a day. Give its table a column days, or a column date and "
            "every patient a reference_date (of transplantation, say) in cohort.csv or in that table."
        )
    if window.centre is None:
        images = timeline.images
        if images[times].isna().all(axis=None):
            raise BadInput(
                f"'{request}': the days of the images' exams are not known: give cohort.csv a column days or date, or "
                "exams such as D15 and M3."
            )
        found = _around(images, frame)
    else:
        found = frame.assign(target=frame["patient"], off=frame["day"] - window.centre)
    inside = found[found["off"].abs() <= window.half]
    if inside.empty:
        raise BadInput(f"'{request}': no reading is within {_told(window)}; {_span(found, frame, window)}.")
    reduced = _reduced(inside, window.reducer)
    keys = cohort.frame["patient"] if window.centre is not None else cohort.frame["case"]
    name = str(request)
    values = pd.Series(keys.map(reduced).to_numpy(np.float64), index=cohort.cases(), name=name)
    limits = set(inside.loc[inside["limit"].astype(bool), "target"])
    censored = frozenset(case for case, key in zip(cohort.cases(), keys, strict=True) if key in limits)
    notes = (*_people(cohort, values), *_window_notes(window, inside, frame, timeline))
    return Variable(name, name, pool.unit, "numeric", values, censored & frozenset(values.dropna().index), notes)


def _around(images: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Each reading of an image's patient, with its days after the image: by dates where both have one, else by days."""
    left = images.reset_index()[["case", "patient", "day", "date", "nominal"]]
    pairs = left.merge(frame, on="patient", suffixes=("_image", ""))
    by_date, by_day = pairs["date"] - pairs["date_image"], pairs["day"] - pairs["day_image"]
    return pairs.assign(target=pairs["case"], off=by_date.where(by_date.notna(), by_day))


def _reduced(inside: pd.DataFrame, reducer: str) -> pd.Series:
    """One value for each target (patient or case)."""
    groups = inside.groupby("target")["value"]
    if reducer == "mean":
        return groups.mean()
    if reducer == "median":
        return groups.median()
    if reducer == "sd":
        return groups.std(ddof=1)
    order = inside["off"] if reducer == "last" else -inside["off"].abs()
    best = order.groupby(inside["target"]).transform("max")
    return inside[order == best].groupby("target")["value"].mean()


def _people(cohort: Cohort, values: pd.Series) -> tuple[str, ...]:
    """How many patients have no value."""
    patients = cohort.frame.set_index("case")["patient"]
    without = len(set(patients)) - patients[values.notna()].nunique()
    return (f"{without} of {len(set(patients))} patients have no value",) if without else ()


def _window_notes(window: Window, inside: pd.DataFrame, frame: pd.DataFrame, timeline: Timeline) -> list[str]:
    counts = inside.groupby("target").size()
    what = "an image" if window.centre is None else "a patient"
    span = f"{counts.min()} to " * bool(counts.min() < counts.max()) + counted(int(counts.max()), "reading")
    notes = [f"{REDUCERS[window.reducer]}; {span} {what} (median {counts.median():g}) within {_told(window)}"]
    assumed = set(inside.loc[inside["nominal"], "exam"])
    if window.centre is None and timeline.images["nominal"].any():
        assumed |= set(timeline.images.loc[timeline.images["nominal"], "exam"])
    if assumed:
        notes.append(f"days assumed from the exams' labels, counted from the reference date: {nominal_days(assumed)}")
    column = ["day"] if window.centre is not None else ["day", "date"]
    untimed = int(frame[column].isna().all(axis=1).sum())
    if untimed:
        notes.append(f"readings without a day are left out ({untimed})")
    if timeline.unclear:
        people = counted(len(timeline.unclear), "patient")
        notes.append(f"date minus days is not one reference date for {people}, who therefore have none")
    return notes


def _told(window: Window) -> str:
    if window.centre is None:
        return f"{window.half:g} days of the image's exam"
    return f"days {window.centre - window.half:g} to {window.centre + window.half:g}"


def _span(found: pd.DataFrame, frame: pd.DataFrame, window: Window) -> str:
    if window.centre is None:
        nearest = found["off"].abs().min()
        return (
            f"the nearest is {nearest:g} days away" if nearest == nearest else "no patient has an image and a reading"
        )
    return f"the readings are of days {frame['day'].min():g} to {frame['day'].max():g}"
