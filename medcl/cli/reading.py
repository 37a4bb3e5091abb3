"""Reads a command's words, and tells of flags with too few or too many values before they swallow what follows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import typer
from typer.core import TyperCommand

from medcl.study.errors import BadInput
from medcl.workflows.wording import COUNTS


class Reading(TyperCommand):
    """A command whose flags of several values, such as --size Z Y X, take numbers and words but never another flag.

    Click itself counts only: `--size 16 16 --name a` gives the size 16, 16, "--name".
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """As click's, after a look at those flags.

        Raises:
            BadInput: naming each flag that has not its number of values.
        """
        problems = [
            fault
            for option in self.params
            if option.param_type_name == "option" and option.nargs > 1
            for place, word in enumerate(args)
            if word in option.opts and (fault := self._fault(word, option, args[place + 1 :]))
        ]
        if problems:
            raise BadInput(problems)
        return super().parse_args(ctx, args)

    def _fault(self, name: str, option: Any, rest: Sequence[str]) -> str | None:
        values = list(takewhile(lambda word: not _is_flag(word), rest))
        if any(each.param_type_name == "argument" for each in self.params):
            del values[option.nargs :]  # what follows may be an argument of the command
        if len(values) == option.nargs:
            return None
        next_flag = rest[len(values)] if len(values) < len(rest) else ""
        found = " ".join(values) or "nothing"
        if len(values) < option.nargs and next_flag:
            found += f" and then {next_flag}"
        return f"{name} takes {COUNTS[option.nargs]} values {option.metavar}; got {found}."


def _is_flag(word: str) -> bool:
    """A word that begins with "-" and is no negative number."""
    if not word.startswith("-"):
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False
