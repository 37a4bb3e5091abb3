"""When exams and readings were: days since a patient's reference date, calendar days, or what an exam's label says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medcl.study.dates import ordinal
from medcl.study.exams import exam_days, exam_order
from medcl.study.readings import Readings

SAME_DAY = 1.0
"""Days by which `date` minus `days` may differ between a patient's exams and still tell one reference date."""


@dataclass(frozen=True)
class Timeline:
    """The times of a cohort's images.

    Attributes:
        images: a row an image, indexed by case: patient, exam, day (since the reference date; NaN when not known),
            date (ordinal of the calendar day; NaN), nominal (whether the day is only what the exam's label says).
        references: ordinal of each patient's reference date.
        unclear: patients whose `date` and `days` do not agree on one reference date, and who therefore have none.
    """

    images: pd.DataFrame
    references: dict[str, float]
    unclear: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, references: dict[str, float]) -> Timeline:
        """The timeline of a cohort's frame; `references` hold for patients that the frame itself has none for."""
        dates = ordinals(frame["date"])
        own = ordinals(frame["reference_date"])
        told = np.where(np.isnan(own), dates - frame["days"].to_numpy(dtype=np.float64), own)
        known, unclear = dict(references), []
        table = pd.DataFrame({"patient": frame["patient"].to_numpy(), "at": told}).dropna()
        for patient, at in table.groupby("patient")["at"]:
            if at.max() - at.min() <= SAME_DAY:
                known[str(patient)] = float(at.min())
            elif patient not in references:
                unclear.append(str(patient))
        images = pd.DataFrame(
            {"patient": frame["patient"].to_numpy(), "exam": frame["exam"].to_numpy(), "date": dates},
            index=pd.Index(frame["case"], name="case"),
        )
        images["day"] = frame["days"].to_numpy(dtype=np.float64)
        return cls(_complete(images, known), known, tuple(unclear))

    def complete(self, readings: Readings) -> Readings:
        """The readings with day, date and nominal filled in as far as known.

        A reading of an exam without a time of its own has that of the patient's images of the exam.
        """
        frame = readings.frame
        if readings.form == "exam":
            times = self.images.loc[~self.images["nominal"], ["patient", "exam", "day", "date"]]
            times = times[times["exam"] != ""].drop_duplicates(["patient", "exam"])
            found = frame[["patient", "exam"]].merge(times, on=["patient", "exam"], how="left")
            untimed = (frame["day"].isna() & frame["date"].isna()).to_numpy()
            frame = frame.assign(
                day=np.where(untimed, found["day"], frame["day"]), date=np.where(untimed, found["date"], frame["date"])
            )
        return readings.with_frame(_complete(frame, self.references))


def ordinals(dates: Iterable[str]) -> np.ndarray:
    """Ordinals of ISO dates, NaN of ""."""
    listed = list(dates)
    known = {text: ordinal(text) for text in set(listed)}
    return np.array([known[text] for text in listed], dtype=np.float64)


def nominal_days(exams: Iterable[str]) -> str:
    """How the labels of exams are read as days: `D15 = 15, M3 = 91`."""
    return ", ".join(f"{exam} = {days:g}" for exam in exam_order(exams) if (days := exam_days(exam)) is not None)


def _complete(frame: pd.DataFrame, references: dict[str, float]) -> pd.DataFrame:
    """Day from date and reference, then the label's; date from day and reference."""
    reference = frame["patient"].map(references).to_numpy(dtype=np.float64)
    date = frame["date"].to_numpy(dtype=np.float64)
    day = frame["day"].to_numpy(dtype=np.float64)
    day = np.where(np.isnan(day), date - reference, day)
    date = np.where(np.isnan(date), day + reference, date)
    labels = {label: exam_days(label) for label in set(frame["exam"])}
    label = np.array([labels[each] for each in frame["exam"]], dtype=np.float64)
    nominal = np.isnan(day) & np.isnan(date) & ~np.isnan(label)
    return frame.assign(day=np.where(nominal, label, day), date=date, nominal=nominal)
