"""What an option asks for is told in plain words, whatever its type."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

import medcl.workflows
from medcl.study.errors import BadInput
from medcl.workflows.options import Options, flag
from medcl.workflows.wording import expectation, told


class ToyOptions(Options):
    """One field of every kind."""

    count: int = flag(3, "A count.", ge=1)
    rank: int = flag(3, "A rank.", ge=0, le=9)
    rate: float = flag(0.1, "A rate.", gt=0, lt=1)
    plain: float | None = flag(None, "A number.")
    word: str = flag("a", "A word.")
    folder: Path | None = flag(None, "A folder.")
    switch: bool = flag(False, "A switch.")
    kind: Literal["round", "square"] = flag("round", "A shape.")
    only: Literal["exam"] | None = flag(None, "One word.")
    size: tuple[int, int, int] = flag((1, 2, 3), "A size.", metavar="Z Y X")
    window: tuple[float, float] | None = flag(None, "A window.", metavar="LOW HIGH")
    dates: tuple[str, str] | None = flag(None, "Dates.")
    exams: list[str] = flag([], "Exams.")
    files: list[Path] = flag([], "Files.")
    part: Annotated[int, Field(ge=1)] | Literal["auto"] | None = flag(None, "A part.")


CASES: dict[str, tuple[Any, str]] = {
    "count": ("1.5", "got '1.5', but a whole number of at least 1 is expected."),
    "rank": (10, "got 10, but a whole number from 0 to 9 is expected."),
    "rate": (1, "got 1, but a number above 0 and below 1 is expected."),
    "plain": ("much", "got 'much', but a number is expected."),
    "word": (3, "got 3, but text in quotes is expected."),
    "folder": (3, "got 3, but a path is expected."),
    "switch": ("perhaps", "got 'perhaps', but true or false is expected."),
    "kind": ("oval", "got 'oval', but round or square is expected."),
    "only": ("patient", "got 'patient', but exam is expected."),
    "size": ([16, 16], "got [16, 16], but three whole numbers Z Y X are expected."),
    "window": (("1", "b"), "got 1 b, but two numbers LOW HIGH are expected."),
    "dates": ((1, 2, 3), "got 1 2 3, but two words are expected."),
    "exams": (15, "got 15, but a list of words is expected."),
    "files": ([1], "got [1], but a list of paths is expected."),
    "part": ("0", "got '0', but a whole number of at least 1 or auto is expected."),
}


def test_every_kind_has_its_sentence() -> None:
    """Beside the study, which every command has."""
    assert set(CASES) == set(ToyOptions.model_fields) - {"study"}


@pytest.mark.parametrize("field", CASES)
def test_a_wrong_value_is_told_in_one_sentence(field: str) -> None:
    value, sentence = CASES[field]
    with pytest.raises(BadInput) as caught:
        ToyOptions(**{field: value})
    assert caught.value.problems == [f"--{field}: {sentence}"]


def test_a_wrong_value_of_a_file_is_told_as_it_stands_there(tmp_path: Path) -> None:
    class Stored(ToyOptions):
        section = "preprocess"

    (tmp_path / "medcl.toml").write_text("[preprocess]\nsize = [1, 2, 3, 4]\nexams = 15\n")
    with pytest.raises(BadInput) as caught:
        Stored.resolve({"study": tmp_path})
    assert caught.value.problems == [
        "medcl.toml [preprocess] size: got [1, 2, 3, 4], but three whole numbers Z Y X are expected.",
        "medcl.toml [preprocess] exams: got 15, but a list of words is expected.",
    ]


def all_fields() -> Iterator[tuple[str, FieldInfo]]:
    for module in pkgutil.iter_modules(medcl.workflows.__path__):
        for found in vars(importlib.import_module(f"medcl.workflows.{module.name}")).values():
            if isinstance(found, type) and issubclass(found, Options):
                yield from ((f"{found.__name__}.{name}", info) for name, info in found.model_fields.items())


def test_every_option_of_every_command_can_be_told() -> None:
    fields = dict(all_fields())
    assert len(fields) > 50
    for name, info in fields.items():
        sentence = expectation(info.annotation, info.metadata)
        assert re.fullmatch(r"[A-Za-z0-9 ,.+-]+ (is|are) expected", sentence), name


def test_values_are_shown_as_they_were_written() -> None:
    assert [told(value) for value in (("1", "b"), [1, 2], "1.5", 3, ())] == ["1 b", "[1, 2]", "'1.5'", "3", "()"]
