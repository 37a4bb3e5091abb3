"""Which images of a cohort are meant: `modality=ct`, or several conditions that all hold (`modality=ct,site=A`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.names import same_column
from medcl.study.spelling import folded

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort
    from medcl.study.variable import Variable

SHOWN_VALUES = 10
"""Values of a column that are told when another was asked for."""


@dataclass(frozen=True)
class ImageFilter:
    """Conditions on the columns of a cohort.

    Attributes:
        text: as the user gave it.
        conditions: (column, value) of each; an image must meet all.
        option: where it was given, for messages.
    """

    text: str
    conditions: tuple[tuple[str, str], ...]
    option: str = "--source"

    @classmethod
    def parse(cls, text: str, option: str = "--source") -> ImageFilter:
        """Read `column=value`, or several with commas between them.

        Args:
            text: such as `modality=ct,site=A`.
            option: the flag that it was given with, for messages.

        Raises:
            BadInput: a part has another form.
        """
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        conditions = tuple((column.strip(), value.strip()) for column, _, value in parts)
        if not conditions or not all(column and value for column, value in conditions):
            raise BadInput(
                f"{option}: got {text!r}, but COLUMN=VALUE is expected, such as modality=ct, with commas between "
                "several that must all hold."
            )
        return cls(text, conditions, option)

    def cases(self, cohort: Cohort) -> set[str]:
        """The names of the images that meet all conditions.

        Columns are found without regard to case and spelling and by their synonyms, values without regard to case and
        spaces (`modality=MRI` is mr); those of a column of numbers are compared as numbers.

        Raises:
            BadInput: there is no such column (names the nearest), no image has such a value (names those that there
                are), or none meets all conditions.
        """
        found, problems = set(cohort.cases()), []
        for column, value in self.conditions:
            try:
                found &= self._meeting(cohort, column, value)
            except BadInput as error:
                problems += error.problems
        if problems:
            raise BadInput(problems)
        if not found:
            raise BadInput(
                f"{self.option} {self.text}: no image of {cohort.file} meets all of these conditions, though each is "
                "met by some: give fewer."
            )
        return found

    def only(self, cohort: Cohort) -> Cohort:
        """The cohort with the images alone that meet all conditions; clinical readings stay whole.

        Raises:
            BadInput: as `cases`.
        """
        cases = self.cases(cohort)

        def part(variables: dict[str, Variable]) -> dict[str, Variable]:
            return {
                name: replace(
                    variable,
                    values=variable.values[variable.values.index.isin(cases)],
                    censored=variable.censored & cases,
                )
                for name, variable in variables.items()
            }

        frame = cohort.frame[cohort.frame["case"].isin(cases)].reset_index(drop=True)
        return replace(cohort, frame=frame, variables=part(cohort.variables), own=part(cohort.own))

    def _meeting(self, cohort: Cohort, column: str, value: str) -> set[str]:
        """The images that meet one condition; there are some."""
        try:
            variable = cohort.variable(column)
        except BadInput as error:
            raise BadInput([f"{self.option} {column}={value}: {problem}" for problem in error.problems]) from None
        present = variable.present
        wanted = _comparable(variable, value)
        same = [each for each in present.unique() if _comparable(variable, each) == wanted]
        if not same:
            values = variable.classes if variable.kind == "categorical" else sorted(present.unique())
            shown = ", ".join(f"{each:g}" if isinstance(each, float) else each for each in values[:SHOWN_VALUES])
            more = f" and {len(values) - SHOWN_VALUES} more" if len(values) > SHOWN_VALUES else ""
            raise BadInput(
                f"{self.option} {column}={value}: no image of {cohort.file} has this value in column "
                f"'{variable.header}'; there are: {shown or 'none, it is empty'}{more}."
            )
        return set(present.index[present.isin(same)])


def _comparable(variable: Variable, value: str | float) -> str | float | None:
    """A value in the form in which two are compared; None of text that should be a number and is none."""
    from medcl.study.rows import MODALITY_WORDS, SPLIT_WORDS

    if variable.kind == "numeric":
        try:
            return float(value)
        except ValueError:
            return None
    word = folded(str(value))
    for name, words in (("modality", MODALITY_WORDS), ("split", SPLIT_WORDS)):
        if same_column(variable.name, name):
            return words.get(word, word)
    return word
