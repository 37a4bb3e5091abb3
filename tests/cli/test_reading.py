"""Flags of several values take values only, and say so when they have too few or too many."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from medcl.cli.app import main
from medcl.cli.flags import door
from medcl.cli.reading import Reading
from medcl.study.errors import BadInput
from medcl.workflows.options import Options, argument, flag


class ShapeOptions(Options):
    """Draw a shape."""

    size: tuple[int, int, int] = flag((1, 2, 3), "The size.", metavar="Z Y X")
    window: tuple[float, float] | None = flag(None, "The window.", metavar="LOW HIGH")
    name: str = flag("a", "The name.")
    seed: int = flag(5, "The seed.", ge=0)


class PlaceOptions(ShapeOptions):
    """Draw a shape somewhere."""

    folder: Path = argument("Where to.", metavar="DIR")


seen: list[ShapeOptions] = []
app = typer.Typer(pretty_exceptions_enable=False)
app.command("shape", cls=Reading)(door(ShapeOptions, lambda options: seen.append(options), lambda result: None))
app.command("place", cls=Reading)(door(PlaceOptions, lambda options: seen.append(options), lambda result: None))


def run(*words: str) -> ShapeOptions:
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--size 16 16 --name a", "--size takes three values Z Y X; got 16 16 and then --name."),
        ("--size 16 16", "--size takes three values Z Y X; got 16 16."),
        ("--size", "--size takes three values Z Y X; got nothing."),
        ("--size 16 16 16 16", "--size takes three values Z Y X; got 16 16 16 16."),
        ("--window -100 -h", "--window takes two values LOW HIGH; got -100 and then -h."),
        ("--window --seed 3", "--window takes two values LOW HIGH; got nothing and then --seed."),
    ],
)
def test_the_wrong_number_of_values_is_told(words: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        run("shape", *words.split())
    assert caught.value.problems == [message]


def test_all_such_flags_are_told_together() -> None:
    with pytest.raises(BadInput) as caught:
        run("shape", "--window", "1", "--size", "1", "2")
    assert [problem.split()[0] for problem in caught.value.problems] == ["--size", "--window"]


def test_negative_numbers_are_values(tmp_path: Path) -> None:
    options = run("shape", "--window", "-1e3", "-.5", "--study", str(tmp_path))
    assert options.window == (-1000, -0.5)


def test_an_argument_may_follow(tmp_path: Path) -> None:
    options = run("place", "--size", "7", "8", "9", "here", "--study", str(tmp_path))
    assert isinstance(options, PlaceOptions)
    assert (options.size, options.folder) == ((7, 8, 9), Path("here"))
    with pytest.raises(BadInput, match="--size takes three values Z Y X; got 7 8 and then --name"):
        run("place", "here", "--size", "7", "8", "--name", "b")


def test_every_command_reads_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["preprocess", "--size", "16", "16", "--name", "a"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "Error: --size takes three values Z Y X; got 16 16 and then --name.\n"
