"""Flags made from an options model."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from medcl.cli.flags import door
from medcl.study.errors import BadInput, Stopped
from medcl.workflows.options import Options, argument, flag


class ShapeOptions(Options):
    """Draw a shape.

    With a second paragraph.
    """

    folder: Path = argument("Where to.", metavar="DIR")
    size: tuple[int, int, int] = flag((1, 2, 3), "The size.", metavar="Z Y X")
    names: list[str] = flag([], "The names.")
    shade: bool = flag(True, "Shade it.")
    quick: bool = flag(False, "Be quick.")
    seed: int = flag(5, "The seed.", ge=0)


seen: list[ShapeOptions] = []
app = typer.Typer(pretty_exceptions_enable=False)
app.command("shape")(door(ShapeOptions, lambda options: seen.append(options), lambda result: None))
app.command("other")(lambda: None)


def run(*words: str) -> ShapeOptions:
    result = CliRunner().invoke(app, ["shape", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen[-1]


def test_defaults_are_the_models(tmp_path: Path) -> None:
    assert run("here", "--study", str(tmp_path)) == ShapeOptions(folder=Path("here"), study=tmp_path)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--size", "7", "8", "9"], "size", (7, 8, 9)),
        (["--names", "a", "--names", "b"], "names", ["a", "b"]),
        (["--no-shade"], "shade", False),
        (["--quick"], "quick", True),
        (["--seed", "9"], "seed", 9),
    ],
)
def test_every_kind_of_flag_reaches_the_model(tmp_path: Path, words: list[str], field: str, value: object) -> None:
    assert getattr(run("here", "--study", str(tmp_path), *words), field) == value


def test_wrong_values_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        run("here", "--study", str(tmp_path), "--seed", "-1", "--size", "a", "b", "3")
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["--size", "--seed"]


def test_help_shows_text_default_and_metavar() -> None:
    output = CliRunner().invoke(app, ["shape", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for part in (
        "Draw a shape.",
        "--size",
        "Z Y X",
        "(default: 5)",
        "(default: 1 2 3)",
        "--no-shade",
        "DIR",
        "The study folder",
    ):
        assert part in output


def test_ctrl_c_is_told_and_square_brackets_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    class Asked(Options):
        """Set in medcl.toml [labels]."""

        n4: bool = flag(False, "Needs pip install 'medcl[n4]'.")

    def stopped(options: Asked) -> None:
        raise KeyboardInterrupt

    application = typer.Typer()
    application.command()(door(Asked, stopped, lambda result: None))
    with pytest.raises(Stopped, match="Stopped by the keyboard") as caught:
        application([], standalone_mode=False)
    assert caught.value.exit_status == 130
    with pytest.raises(SystemExit):
        application(["--help"])
    shown = capsys.readouterr().out
    assert "medcl[n4]" in shown
    assert "medcl.toml [labels]" in shown
