"""What `medcl evaluate` predicts, exam by exam: a number, a class, or the time to an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.study.time_column import days_per_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.evaluation.scores import Kind
    from medcl.study.cohort import Cohort
    from medcl.study.variable import Variable
    from medcl.workflows.evaluate import EvaluateOptions

Exam = tuple[str, str]
"""Patient and exam."""

_EVENT_WORDS = {"yes": 1.0, "true": 1.0, "event": 1.0, "1": 1.0, "no": 0.0, "false": 0.0, "censored": 0.0, "0": 0.0}


@dataclass(frozen=True, eq=False)
class Target:
    """The target of an evaluation.

    Attributes:
        name: for titles.
        unit: of numbers and times; "" when none is told.
        kind: numeric, categorical or survival.
        values: by patient and exam: a number, a class, or time and event; without those that are missing.
        variables: canonical names of what it is made of, which no covariate may be.
        said: how it was chosen and what is left out, in sentences.
    """

    name: str
    unit: str
    kind: Kind
    values: dict[Exam, Any]
    variables: tuple[str, ...]
    said: tuple[str, ...]

    def of(self, exams: Sequence[Exam]) -> NDArray[Any]:
        """(N,) numbers with NaN or classes with "", or (N, 2) time and event with NaN."""
        if self.kind == "categorical":
            return np.array([self.values.get(exam, "") for exam in exams], dtype=np.str_)
        nothing: Any = (np.nan, np.nan) if self.kind == "survival" else np.nan
        found = np.array([self.values.get(exam, nothing) for exam in exams], dtype=np.float64)
        return found.reshape(len(exams), 2) if self.kind == "survival" else found

    def require_varied(self, exams: Sequence[Exam]) -> None:
        """Refuse a target that has no value in these exams, or one value only.

        Raises:
            BadInput: it is so.
        """
        known = [self.values[exam] for exam in dict.fromkeys(exams) if exam in self.values]
        if not known:
            raise BadInput(
                f"--target {self.name}: no value of it in the {counted(len(set(exams)), 'exam')} that have features: "
                "fill the column, or choose another variable (`medcl list variables` shows them)."
            )
        differ = {each[1] for each in known} if self.kind == "survival" else set(known)
        if self.kind == "survival" and differ == {0.0}:
            raise BadInput(f"--event: nobody of the {counted(len(known), 'exam')} with features has the event.")
        if self.kind != "survival" and len(differ) < 2:
            shown = f"{known[0]:g}" if self.kind == "numeric" else f"'{known[0]}'"
            raise BadInput(
                f"--target {self.name} is constant: {shown} in all {counted(len(known), 'exam')} with features: there "
                "is nothing to predict. Choose another variable (`medcl list variables` shows them)."
            )


def choose_target(cohort: Cohort, options: EvaluateOptions) -> Target:
    """The target that the options ask for.

    Raises:
        BadInput: none is asked for, it is unknown, or the options do not go together.
    """
    if options.event or options.time:
        return _event_target(cohort, options)
    if not options.target:
        known = ", ".join([*cohort.variables, *(name for name in ("site",) if (cohort.frame[name] != "").any())])
        raise BadInput(f"--target is missing: which variable is to be predicted? The variables are {known or 'none'}.")
    name = options.target
    if options.horizon is not None:
        if "@" in name:
            raise BadInput(f"--target {name} tells its own time: leave --horizon out.")
        name = f"{name}@{options.horizon:.10g}+-{options.window:.10g}"
    variable = cohort.variable(name)
    values, said = exam_values(cohort, variable)
    own = (variable.name, variable.name.partition("@")[0])
    if variable.kind == "categorical":
        said.insert(0, f"Classification: {variable.name} holds classes ({_some(sorted(set(values.values())))}).")
        return Target(variable.name, "", "categorical", values, own, (*said, *variable.notes))
    two = sorted(set(values.values()))
    if len(two) == 2:
        words = {exam: f"{value:g}" for exam, value in values.items()}
        said.insert(0, f"Classification: {variable.name} has the two values {two[0]:g} and {two[1]:g} only.")
        return Target(variable.name, variable.unit, "categorical", words, own, (*said, *variable.notes))
    said.insert(0, f"Regression: {variable.name} holds numbers.")
    if limits := len(variable.censored):
        said.append(f"{counted(limits, 'image')} with a value given as a limit: the limit is taken for the value.")
    return Target(variable.name, variable.unit, "numeric", values, own, (*said, *variable.notes))


def exam_values(cohort: Cohort, variable: Variable) -> tuple[dict[Exam, Any], list[str]]:
    """A variable by patient and exam: the mean over an exam's images, or the class on which they agree.

    Returns:
        the values without the missing ones, and a sentence on exams whose images have several classes.
    """
    found: dict[Exam, list[Any]] = {}
    known = {str(case): value for case, value in variable.present.items()}
    for case, patient, exam in cohort.frame[["case", "patient", "exam"]].itertuples(index=False, name=None):
        if case in known:
            found.setdefault((patient, exam), []).append(known[case])
    if variable.kind == "numeric":
        return {exam: float(np.mean(values)) for exam, values in found.items()}, []
    several = sum(len(set(values)) > 1 for values in found.values())
    said = [f"{counted(several, 'exam')} with images of several classes of {variable.name}: without a value."]
    return {exam: str(each[0]) for exam, each in found.items() if len(set(each)) == 1}, said if several else []


def _event_target(cohort: Cohort, options: EvaluateOptions) -> Target:
    if bool(options.target) + bool(options.event) + bool(options.time) != 2:
        raise BadInput(
            "For the time to an event two variables are needed: --target TIME --event EVENT, --target EVENT --time "
            "TIME, or --event EVENT --time TIME."
        )
    event = cohort.variable(options.event or options.target or "")
    time = cohort.variable(options.time or options.target or "")
    if time.kind != "numeric":
        raise BadInput(f"'{time.header}' holds words, and a time to the event is a number of days, months or years.")
    times, said = exam_values(cohort, time)
    events, more = _events(cohort, event)
    both = {exam: (times[exam], events[exam]) for exam in times if exam in events}
    if any(sum(1 for each in both if each[0] == exam[0]) > 1 for exam in both):
        said.append(
            f"{time.name} is taken as the table has it at every exam of a patient: where it counts from one day for "
            "all of them, choose one exam with --exam."
        )
    name, own = f"{event.name} by {time.name}", (event.name, time.name)
    if options.horizon is None:
        told = f"Time to an event: {time.name} until {event.name}, a Cox probe."
        return Target(name, time.unit, "survival", both, own, (told, *said, *more))
    return _within(Target(name, time.unit, "survival", both, own, (*said, *more)), options.horizon)


def _within(target: Target, days: float) -> Target:
    """Whether the event came within so many days, as two classes."""
    from medcl.evaluation.event_classes import event_classes

    factor = days_per_unit(f"time [{target.unit}]") if target.unit else 1.0
    if factor is None:
        raise BadInput(
            f"--horizon is in days, and the unit '{target.unit}' of {target.variables[1]} is no time: write days, "
            "weeks, months or years in the brackets of its header."
        )
    exams = list(target.values)
    classes, ended = event_classes(target.of(exams), days / factor)
    values = {exam: str(word) for exam, word in zip(exams, classes, strict=True) if word}
    said = [f"Classification: whether {target.variables[0]} came within {days:g} days."]
    if not target.unit:
        said.append(f"{target.variables[1]} tells no unit: taken as days.")
    if ended:
        said.append(
            f"{counted(ended, 'exam')} of patients whose follow-up ended before that without the event: left out, as "
            "nobody knows; the Cox probe (without --horizon) keeps them."
        )
    name = f"{target.variables[0]} within {days:g} days"
    return Target(name, "", "categorical", values, target.variables, (*said, *target.said))


def _events(cohort: Cohort, variable: Variable) -> tuple[dict[Exam, float], list[str]]:
    values, said = exam_values(cohort, variable)
    shown = {exam: f"{value:g}" if variable.kind == "numeric" else value.casefold() for exam, value in values.items()}
    wrong = sorted({word for word in shown.values() if word not in _EVENT_WORDS})
    if wrong:
        raise BadInput(
            f"'{variable.header}' cannot be read as an event: it holds {_some(wrong)}; expected 1 or yes for patients "
            "who had it and 0 or no for those whose follow-up ended without it."
        )
    return {exam: _EVENT_WORDS[word] for exam, word in shown.items()}, said


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (", ..." if len(words) > 5 else "")
