"""Prompts for the images of `small_study`: a word for the patient's value, and one for the exam."""

from __future__ import annotations

from pathlib import Path

from medcl.data.samples import Samples
from medcl.study.prompt_rules import PromptRules
from medcl.study.prompt_slot import Slot
from medcl.study.prompts import CohortPrompts

LEVELS = (("low", "poor"), ("medium",), ("high",))
EXAMS = {"D15": ("two weeks",), "M3": ("third month",)}
RULES = PromptRules(
    {
        "gfr": Slot("gfr", "gfr", "", "", (40.0, 70.0), LEVELS),
        "exam": Slot("exam", "exam", "", "", (), EXAMS),
    },
    ("Function was {gfr} at {exam}.", "{gfr} function.", "Exam: {exam}. Function: {gfr}."),
    Path("prompts.toml"),
)


def prompts_of(seen: Samples, without: frozenset[str] = frozenset()) -> CohortPrompts:
    """The prompts of all images, but for those `without`, of which nothing is known."""
    assert seen.values is not None
    words = {
        case: {"gfr": RULES.slots["gfr"].of_number(value), "exam": EXAMS[exam]}
        for case, value, exam in zip(seen.cases.tolist(), seen.values.tolist(), seen.exams.tolist(), strict=True)
        if case not in without
    }
    return CohortPrompts(RULES, words, {case: row for row, case in enumerate(seen.cases.tolist(), start=2)})
