"""The clinical prompts of a cohort: what each image's row says in the words of the rules.

After MEDIMP (Milecki et al., MIDL 2023), where structured clinical data become text through templates. A value that is
missing drops its sentence; nothing is filled in.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.study.prompt_rules import PromptRules
from medcl.study.prompt_slot import Words
from medcl.study.prompt_template import fill, sentences_of, slots_of
from medcl.study.prompt_values import slot_values

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

Statement = tuple[tuple[str, str], ...]
"""What a prompt says whatever its template and synonyms: pairs of slot and words (`stable/steady`), by slot."""


@dataclass(frozen=True)
class Prompt:
    """One prompt of one image.

    Attributes:
        text: the sentences.
        case: the image.
        row: its line in cohort.csv.
        template: index from 0.
        used: slots in the text, as they come.
        dropped: slots of the template that are not in the text, since a word of their sentence is missing.
        statement: what it says; prompts of equal statements are no negatives of each other.
    """

    text: str
    case: str
    row: int
    template: int
    used: tuple[str, ...]
    dropped: tuple[str, ...]
    statement: Statement


class CohortPrompts:
    """The prompts of a cohort's images.

    Attributes:
        rules: that made them.
        cases: images with at least one prompt, in the order of the table.
        without: those with none.
        notes: what was assumed on reading the values, in sentences for people.
    """

    def __init__(
        self,
        rules: PromptRules,
        words: Mapping[str, Mapping[str, Words]],
        rows: Mapping[str, int],
        notes: Sequence[str] = (),
    ) -> None:
        """Put words and rows together.

        Args:
            rules: with the templates.
            words: by case and slot; a slot that has none is left out.
            rows: line of each case in cohort.csv; the order of the images.
            notes: for people.
        """
        self.rules, self.notes = rules, tuple(notes)
        self._words, self._rows = {case: words.get(case, {}) for case in rows}, dict(rows)
        self._usable: dict[frozenset[str], tuple[int, ...]] = {}
        self.cases = [case for case in rows if self.usable(case)]
        self.without = [case for case in rows if not self.usable(case)]

    def usable(self, case: str) -> tuple[int, ...]:
        """The indexes of the templates that say something of an image; () when none does."""
        known = frozenset(self._words[case])
        if known not in self._usable:
            said = [[set(slots_of(sentence)) for sentence in sentences_of(text)] for text in self.rules.templates]
            self._usable[known] = tuple(
                index for index, sentences in enumerate(said) if any(slots and slots <= known for slots in sentences)
            )
        return self._usable[known]

    def of(self, case: str, template: int, draw: int = 0) -> Prompt | None:
        """One prompt of an image.

        Args:
            case: of the cohort.
            template: index into the rules' templates.
            draw: chooses the synonyms; equal draws the same ones, `wordings(case, template)` draws in a row each once.

        Returns:
            None when the template says nothing of the image.
        """
        text = self.rules.templates[template]
        known = self._words[case]
        chosen = {}
        for slot in slots_of(text):
            if slot in known:
                draw, place = divmod(draw, len(known[slot]))
                chosen[slot] = known[slot][place]
        found = fill(text, chosen)
        if not found.used:
            return None
        statement = tuple((slot, "/".join(known[slot])) for slot in sorted(found.used))
        return Prompt(found.text, case, self._rows[case], template, found.used, found.dropped, statement)

    def wordings(self, case: str, template: int) -> int:
        """How many draws there are: in how many ways the synonyms can be put together."""
        known = self._words[case]
        return math.prod(len(known[slot]) for slot in slots_of(self.rules.templates[template]) if slot in known)

    def rows(self, *, every: bool = False) -> list[Prompt]:
        """Prompts to look at: one for each image that has any, the templates and synonyms in turn.

        Args:
            every: one for each template instead.
        """
        found = []
        for place, case in enumerate(self.cases):
            usable = self.usable(case)
            chosen = usable if every else usable[place % len(usable) :][:1]
            prompts = [self.of(case, template, draw=place) for template in chosen]
            found += [prompt for prompt in prompts if prompt is not None]
        return found

    def distinct(self) -> list[str]:
        """Every text that any template and any synonyms can give, each once."""
        texts: dict[str, None] = {}
        for case in self._different():
            for template in self.usable(case):
                prompts = (self.of(case, template, draw) for draw in range(self.wordings(case, template)))
                texts.update({prompt.text: None for prompt in prompts if prompt is not None})
        return list(texts)

    def statement(self, case: str) -> Statement:
        """All that is known of an image, whatever the template."""
        return tuple((slot, "/".join(words)) for slot, words in sorted(self._words[case].items()))

    def statements(self) -> list[Statement]:
        """What the images with a prompt say, each once: the number of different things to tell apart."""
        return list(dict.fromkeys(self.statement(case) for case in self.cases))

    def missing(self) -> dict[str, int]:
        """In how many images each slot has no words, by slot."""
        return {slot: sum(slot not in known for known in self._words.values()) for slot in self.rules.slots}

    def only(self, cases: Collection[str]) -> CohortPrompts:
        """The prompts of some images."""
        rows = {case: row for case, row in self._rows.items() if case in cases}
        return CohortPrompts(self.rules, self._words, rows, self.notes)

    def _different(self) -> list[str]:
        """One image of each statement."""
        first: dict[Statement, str] = {}
        for case in self.cases:
            first.setdefault(self.statement(case), case)
        return list(first.values())


def write_prompts(cohort: Cohort, rules: PromptRules) -> CohortPrompts:
    """The prompts of all images of a cohort.

    Args:
        cohort: with its clinical tables, whole: statistics are over all of a patient's values.
        rules: as `read_prompt_rules` read them.

    Raises:
        BadInput: a slot's variable is not there or cannot be read by its rule (all of them are told), or no image has
            a value of any slot.
    """
    words: dict[str, dict[str, Words]] = {case: {} for case in cohort.cases()}
    notes: dict[str, None] = {}
    problems = []
    for slot in rules.slots.values():
        try:
            found = slot_values(cohort, slot)
        except BadInput as error:
            problems += [f"{rules.file}: [slots.{slot.name}]: {problem}" for problem in error.problems]
            continue
        for case, said in found.words.items():
            words[case][slot.name] = said
        notes |= {f"Slot {slot.name}: {note}.": None for note in found.notes}
    if problems:
        if rules.shipped:
            problems.append(
                "These are the rules for kidney transplantation that come with medcl: give other rules with --rules "
                f"FILE, or put a changed copy of {rules.file} into the study as prompts.toml."
            )
        raise BadInput(problems)
    prompts = CohortPrompts(
        rules, words, dict(zip(cohort.cases(), cohort.frame["row"].astype(int), strict=True)), list(notes)
    )
    if not prompts.cases:
        variables = ", ".join(slot.variable for slot in rules.slots.values())
        raise BadInput(
            f"{rules.file}: none of the {counted(len(cohort), 'image')} of {cohort.file} has a prompt, since no "
            f"sentence of any template has all of its values ({variables}): fill these columns, or write other rules."
        )
    return prompts
