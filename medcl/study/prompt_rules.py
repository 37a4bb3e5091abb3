"""Rules of clinical prompts (prompts.toml): what templates say, and how values become the words in their slots.

The prompts of MEDIMP (Milecki et al., MIDL 2023) are the shipped default. A file of the same form serves any other
cohort:

    templates = ["Graft function was {gfr} at the {exam} check-up.", ...]

    [slots.gfr]
    variable = "gfr"
    unit = "mL/min/1.73m2"
    thresholds = [15, 30]                             # below 15: low; from 15 to below 30: medium; from 30: high
    words = ["low", "medium", ["high", "good"]]       # of synonyms one is drawn

    [slots.exam]
    variable = "exam"
    words = { D15 = "two weeks", M3 = "third month" }

Further keys of a slot: `statistic` ("sd" or "mean" of all of the patient's values) and `at_threshold` ("lower" gives a
value that equals a threshold the words below it).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.prompt_slot import Slot
from medcl.study.prompt_slot_table import read_slot
from medcl.study.prompt_template import slots_of, without_slots
from medcl.study.spelling import folded
from medcl.study.toml_file import read_toml

RULES = "prompts.toml"
"""The study's own rules."""

SHIPPED = Path(__file__).with_name("default_prompts.toml")
"""The rules for kidney transplantation that come with medcl."""

MOST_WORDINGS = 1000
"""In how many ways synonyms may word one template for one image: all of them are listed and encoded."""


@dataclass(frozen=True)
class PromptRules:
    """The rules of one file.

    Attributes:
        slots: by name, in the order of the file.
        templates: with slots in braces, single spaces; at least one, no two alike.
        file: where they stand.
    """

    slots: Mapping[str, Slot]
    templates: tuple[str, ...]
    file: Path

    @property
    def shipped(self) -> bool:
        """Whether these are medcl's own."""
        return self.file == SHIPPED


def find_prompt_rules(study: Study, given: Path | None = None) -> PromptRules:
    """The rules of a study: those given, else the study's prompts.toml, else the shipped ones.

    Args:
        study: also where a relative `given` is looked for when the current folder has no such file.
        given: with --rules.

    Raises:
        BadInput: as `read_prompt_rules`.
    """
    own = study.root / RULES
    if given is None:
        return read_prompt_rules(own if own.is_file() else None)
    return read_prompt_rules(given if given.exists() else study.root / given)


def read_prompt_rules(path: Path | None = None) -> PromptRules:
    """Read a file of rules.

    Args:
        path: the file; None for the rules that ship with medcl.

    Raises:
        BadInput: with everything that is wrong: the file, keys that are not known, slots without words or with too
            many, thresholds that overlap, templates with slots that have no rule, slots that no template uses.
    """
    file = SHIPPED if path is None else Path(path).absolute()
    content = read_toml(file, "rules of prompts")
    unknown = [key for key in content if key not in ("templates", "slots")]
    problems = [f"{file}: unknown key '{key}'; known are templates and the tables [slots.NAME]." for key in unknown]
    slots, failed = _slots(content.get("slots"), file, problems)
    templates = _templates(content.get("templates"), {**slots, **failed}, file, problems)
    if not problems:
        _refuse_many_wordings(templates, slots, file, problems)
    if problems:
        raise BadInput(problems)
    return PromptRules(slots, templates, file)


def _slots(told: Any, file: Path, problems: list[str]) -> tuple[dict[str, Slot], dict[str, None]]:
    """The slots, and the names of those that are there but wrong."""
    if not isinstance(told, dict) or not told:
        problems.append(f"{file}: has no slots; write a table for each, as [slots.gfr].")
        return {}, {}
    found = {name: read_slot(name, table, f"{file}: [slots.{name}]", problems) for name, table in told.items()}
    failed = {name: None for name, slot in found.items() if slot is None}
    return {name: slot for name, slot in found.items() if slot is not None}, failed


def _templates(told: Any, slots: Mapping[str, object], file: Path, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(told, list) or not told:
        form = 'templates = ["Graft function was {gfr}.", ...], above the first table'
        problems.append(f"{file}: templates is {told!r}, expected a list of texts: {form}.")
        return ()
    templates, seen = [], dict[str, int]()
    for number, text in enumerate(told, start=1):
        where = f"{file}: template {number}"
        if not isinstance(text, str) or not text.strip():
            problems.append(f"{where} is {text!r}, expected a text with slots in braces.")
            continue
        template = " ".join(text.split())
        problems += [f"{where} {problem}." for problem in _template_problems(template, slots)]
        first = seen.setdefault(folded(template), number)
        if first != number:
            problems.append(f"{where} says the same as template {first}: keep one of them.")
        templates.append(template)
    used = {slot for template in templates for slot in slots_of(template)}
    for name in slots:
        if name not in used:
            problems.append(f"{file}: [slots.{name}] is in no template: write {{{name}}} in one, or remove the slot.")
    return tuple(templates)


def _template_problems(template: str, slots: Mapping[str, object]) -> list[str]:
    """What is wrong with a template, each to be put behind its number."""
    found, problems = slots_of(template), []
    if "{" in without_slots(template) or "}" in without_slots(template):
        problems.append(f"has a brace without its partner: '{template}'")
    elif not found:
        problems.append(f"has no slot, so it says the same of every image: '{template}'")
    for slot in dict.fromkeys(found):
        if slots and slot not in slots:  # that there are none at all is told once
            near = difflib.get_close_matches(slot, slots, n=1)
            hint = f"did you mean {{{near[0]}}}?" if near else f"slots are {', '.join(slots)}"
            problems.append(f"has the slot {{{slot}}}, for which there is no [slots.{slot}]; {hint}")
        elif found.count(slot) > 1:
            problems.append(f"has {{{slot}}} {found.count(slot)} times; once is enough")
    return problems


def _refuse_many_wordings(
    templates: tuple[str, ...], slots: Mapping[str, Slot], file: Path, problems: list[str]
) -> None:
    for number, template in enumerate(templates, start=1):
        count = math.prod(max(map(len, slots[slot].entries)) for slot in slots_of(template))
        if count > MOST_WORDINGS:
            problems.append(
                f"{file}: template {number} can be worded in {count:,} ways by the synonyms of its slots, at most "
                f"{MOST_WORDINGS:,} are taken: give fewer synonyms."
            )
