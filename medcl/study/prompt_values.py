"""From the values of a cohort to the words of a slot: units, statistics over a patient, classes in other spellings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.patient_statistic import patient_statistic
from medcl.study.plural import counted
from medcl.study.prompt_slot import Slot, Words
from medcl.study.spelling import folded
from medcl.study.unit_factor import factor_to
from medcl.study.variable import Variable
from medcl.study.wide_table import match_exams

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

SHOWN = 8
"""Classes that are named in a message."""


@dataclass(frozen=True)
class SlotValues:
    """What a slot says of each image.

    Attributes:
        words: by case, with the synonyms; without the images of which nothing is known.
        notes: what was assumed, and why images have no words.
    """

    words: dict[str, Words]
    notes: tuple[str, ...]


def slot_values(cohort: Cohort, slot: Slot) -> SlotValues:
    """The words of one slot for all images.

    A value that was given as a limit (`<15`) counts as that number. Labels of exams are those of the rule in any
    spelling of the same time (J15, `day 15` and D15); other classes match without regard to case and spaces.

    Raises:
        BadInput: the cohort has no such variable, its unit cannot be converted, it holds classes where the rule has
            thresholds (or numbers where it has classes), or none of its classes has words.
    """
    if slot.statistic:
        values, notes = patient_statistic(cohort, slot.variable, slot.statistic, slot.unit)
        return SlotValues(_of_numbers(slot, values), tuple(notes))
    variable = cohort.variable(slot.variable)
    notes = list(variable.notes)
    if not len(variable.present):
        return SlotValues({}, (*notes, f"column '{variable.header}' has no value in any image"))
    if slot.classes:
        return _of_classes(slot, variable, notes)
    if variable.kind != "numeric":
        classes = _listed(variable.classes)
        raise BadInput(
            f"column '{variable.header}' holds classes ({classes}) and no numbers: instead of thresholds give each "
            'class its words, as words = { yes = "present", no = "absent" }.'
        )
    factor, note = factor_to(variable, slot.unit)
    return SlotValues(_of_numbers(slot, variable.values * factor), (*notes, *filter(None, [note])))


def _of_numbers(slot: Slot, values: pd.Series) -> dict[str, Words]:
    present = values.dropna().astype(np.float64)
    return {str(case): slot.of_number(float(value)) for case, value in present.items()}


def _of_classes(slot: Slot, variable: Variable, notes: list[str]) -> SlotValues:
    found = _matched(slot, variable)
    if not found:
        raise BadInput(
            f"none of the classes of column '{variable.header}' ({_listed(_classes(variable))}) has words; words has "
            f"{_listed(slot.classes)}: write the classes as the table does."
        )
    words = {str(case): slot.classes[found[value]] for case, value in variable.present.items() if value in found}
    for value in _classes(variable):
        if value not in found:
            count = counted(int((variable.present == value).sum()), "image")
            notes.append(f"'{_shown(value)}' of column '{variable.header}' has no words ({count})")
    told = [f"'{_shown(value)}' is {each}" for value, each in found.items() if _shown(value) != each]
    return SlotValues(words, (*notes, *filter(None, [", ".join(told)])))


def _matched(slot: Slot, variable: Variable) -> dict[str | float, str]:
    """The rule's class for each value of the variable that means one."""
    values = _classes(variable)
    if variable.name == "exam":
        exams = match_exams(map(str, values), slot.classes)
        return {value: exams[str(value)] for value in values if str(value) in exams}
    if variable.kind == "categorical":
        known = {folded(each): each for each in slot.classes}
        return {value: known[folded(str(value))] for value in values if folded(str(value)) in known}
    try:
        numbers = {float(each): each for each in slot.classes}
    except ValueError:
        raise BadInput(
            f"column '{variable.header}' holds numbers, and words has the classes {_listed(slot.classes)}: give "
            "thresholds, or the numbers as classes."
        ) from None
    return {value: numbers[float(value)] for value in values if float(value) in numbers}


def _classes(variable: Variable) -> list[str | float]:
    if variable.kind == "numeric":
        return sorted(float(value) for value in variable.present.unique())
    return list(exam_order(variable.present))


def _listed(names: Iterable[str | float]) -> str:
    shown = [_shown(name) for name in names]
    return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")


def _shown(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value
