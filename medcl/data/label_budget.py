"""How many patients are labelled (`--labeled 10%`, `--labeled 8`); light, so that options can check it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from medcl.study.errors import BadInput

_PERCENT = re.compile(r"(\d+(?:[.,]\d+)?)\s*%")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class LabelBudget:
    """A number of patients, or a share of the training patients.

    Attributes:
        text: as it was asked for.
        patients: the number; None of a share.
        percent: the share; None of a number.
    """

    text: str
    patients: int | None = None
    percent: Fraction | None = None

    @classmethod
    def parse(cls, text: str) -> LabelBudget:
        """Read "10%", "1.25%" or "8".

        Raises:
            BadInput: it is neither, or nobody would be labelled.
        """
        text = text.strip()
        if found := _PERCENT.fullmatch(text):
            percent = Fraction(found[1].replace(",", "."))
            if 0 < percent <= 100:
                return cls(text, percent=percent)
        elif _NUMBER.fullmatch(text) and int(text) > 0:
            return cls(text, patients=int(text))
        raise BadInput(
            f"--labeled is '{text}'; expected a number of patients, 1 or more, such as 8, or a share of the training "
            "patients above 0% and up to 100%, such as 10%."
        )

    def of(self, patients: int) -> int:
        """How many of so many training patients: at least 1, a share rounded half up."""
        if self.percent is None:
            return self.patients or 0
        return max(1, math.floor(self.percent * patients / 100 + Fraction(1, 2)))
