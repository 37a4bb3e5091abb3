"""Reads a slot's table in prompts.toml, and tells everything that is wrong in it."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.exams import exam_days
from medcl.study.names import canonical_name, reserved_name
from medcl.study.plausible import RANGES
from medcl.study.prompt_slot import AT_THRESHOLD, STATISTICS, Slot, Words
from medcl.study.spelling import folded
from medcl.study.window import Request, parse_request

KEYS = ("variable", "unit", "statistic", "thresholds", "at_threshold", "words")
NUMERIC_KEYS = ("unit", "statistic", "thresholds", "at_threshold")
"""Keys that say something of numbers and nothing of classes."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def read_slot(name: str, table: Any, where: str, problems: list[str]) -> Slot | None:
    """The slot of one table `[slots.NAME]`.

    Args:
        name: NAME.
        table: what the file has under it.
        where: file and table, the start of every message.
        problems: receives a sentence for each thing that is wrong.

    Returns:
        None when something is wrong.
    """
    reader = _Reader(where, problems)
    before = len(problems)
    if not _NAME.fullmatch(name):
        reader.tell("a slot is named with small letters, digits and '_', as in [slots.donor_age]")
    if not isinstance(table, dict):
        reader.tell(f"expected a table with variable and words, got {table!r}")
        return None
    slot = reader.slot(name, table)
    return slot if len(problems) == before else None


class _Reader:
    """Reads one table."""

    def __init__(self, where: str, problems: list[str]) -> None:
        self.where, self.problems = where, problems

    def tell(self, problem: str) -> None:
        self.problems.append(f"{self.where}: {problem}.")

    def slot(self, name: str, table: dict[str, Any]) -> Slot:
        for key in table:
            if key not in KEYS:
                near = difflib.get_close_matches(key, KEYS, n=1)
                self.tell(f"unknown key '{key}'; {f'did you mean {near[0]}?' if near else 'known: ' + ', '.join(KEYS)}")
        request = self._variable(table)
        texts = {key: self._text(table, key) for key in ("unit", "statistic")}
        words = self._words(table, request)
        thresholds: tuple[float, ...] = ()
        if isinstance(words, Mapping):
            for key in NUMERIC_KEYS:
                if key in table:
                    self.tell(f"{key} is for numbers, but words has classes: keep one of them")
        elif words is not None:
            thresholds = self._thresholds(table, len(words))
            self._unit(request, texts["unit"])
        self._statistic(request, texts["statistic"])
        side = table.get("at_threshold", AT_THRESHOLD[0])
        if side not in AT_THRESHOLD:
            self.tell(f"at_threshold is {side!r}, expected {' or '.join(AT_THRESHOLD)}")
        return Slot(name, str(request), texts["unit"], texts["statistic"], thresholds, words or (), str(side))

    def _variable(self, table: dict[str, Any]) -> Request:
        told = table.get("variable")
        if not isinstance(told, str) or not told.strip():
            self.tell(f'variable is {told!r}, expected the name of a column, as variable = "gfr"')
            return Request("")
        try:
            return parse_request(told)
        except BadInput as error:
            self.problems += [f"{self.where}: variable {problem}" for problem in error.problems]
            return Request("")

    def _text(self, table: dict[str, Any], key: str) -> str:
        told = table.get(key, "")
        if not isinstance(told, str):
            self.tell(f"{key} is {told!r}, expected a text in quotes")
            return ""
        return told.strip()

    def _statistic(self, request: Request, statistic: str) -> None:
        if statistic not in STATISTICS:
            self.tell(f"statistic is '{statistic}', expected {' or '.join(filter(None, STATISTICS))}, or no such line")
        elif statistic and (request.exam is not None or request.window is not None):
            self.tell(
                f"statistic = '{statistic}' is over all of a patient's values, but the variable '{request}' names an "
                f"exam or a window: write {request.name} alone, or leave statistic out, as in {request.name}@365+-60:sd"
            )

    def _unit(self, request: Request, unit: str) -> None:
        known = RANGES.get(canonical_name(request.name), ())
        if not unit and len(known) > 1:
            units = " or ".join(each.units[0] for each in known)
            self.tell(
                f"unit is missing: {request.name} is known in several, so say in which the thresholds are ({units})"
            )

    def _thresholds(self, table: dict[str, Any], words: int) -> tuple[float, ...]:
        told = table.get("thresholds")
        if told is None:
            self.tell('a list of words needs thresholds; for classes write words = { D15 = "two weeks", ... }')
            return ()
        numbers = [each for each in told if _is_number(each)] if isinstance(told, list) else []
        if not isinstance(told, list) or not told or len(numbers) < len(told):
            self.tell(f"thresholds is {told!r}, expected numbers from low to high, as [15, 30, 45, 60]")
            return ()
        for low, high in pairwise(numbers):
            if low >= high:
                what = "stands twice" if low == high else f"comes before {high:g}"
                self.tell(f"thresholds overlap: {low:g} {what}; write each once, from low to high")
        if len(numbers) + 1 != words:
            expected = f"{len(numbers)} thresholds divide values into {len(numbers) + 1} ranges"
            self.tell(f"{expected}, but words has {words}: give one word, or list of synonyms, for each range")
        return tuple(float(each) for each in numbers)

    def _words(self, table: dict[str, Any], request: Request) -> tuple[Words, ...] | dict[str, Words] | None:
        told = table.get("words")
        if not isinstance(told, list | dict) or not told:
            self.tell(f"words is {told!r}, expected a word for each range (a list) or for each class (a table)")
            return None
        if isinstance(told, list):
            return tuple(self._entry(f"words {place}", entry) for place, entry in enumerate(told, start=1))
        self._refuse_alike(list(told), by_time=reserved_name(request.name) == "exam")
        return {" ".join(each.split()): self._entry(f"words {each}", entry) for each, entry in told.items()}

    def _refuse_alike(self, classes: list[str], by_time: bool) -> None:
        seen: dict[object, str] = {}
        for each in classes:
            time = exam_days(each) if by_time else None
            other = seen.setdefault(folded(each) if time is None else time, each)
            if other != each:
                self.tell(f"words: '{other}' and '{each}' are one class: keep one of them")
            if not each.strip():
                self.tell("words has a class without a name")

    def _entry(self, where: str, entry: Any) -> Words:
        synonyms = entry if isinstance(entry, list) else [entry]
        if not synonyms or not all(isinstance(word, str) and word.strip() for word in synonyms):
            self.tell(f"{where} is {entry!r}, expected a text, or a list of synonyms, none of them empty")
            return ()
        found = tuple(" ".join(word.split()) for word in synonyms)
        if any("{" in word or "}" in word for word in found):
            self.tell(f"{where}: slots stand in templates, not in words: take the braces out of {entry!r}")
        if len({folded(word) for word in found}) < len(found):
            self.tell(f"{where}: {entry!r} has a synonym twice")
        return found


def _is_number(told: Any) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told)
