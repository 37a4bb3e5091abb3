"""The options base: flags over medcl.toml over defaults, and every fault in one message."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import field_validator, model_validator

from medcl.study.errors import BadInput
from medcl.workflows.options import Options, flag, split_words


class ToyOptions(Options):
    """A toy."""

    section: ClassVar[str] = "pretrain"

    epochs: int = flag(3, "How many epochs.", ge=1)
    rate: float = flag(0.1, "The rate.", gt=0)
    kind: Literal["round", "square"] = flag("round", "The shape.")
    size: tuple[int, int, int] = flag((1, 2, 3), "The size.", metavar="Z Y X")
    exams: list[str] = flag([], "Exams.")
    config: Path | None = flag(None, "Another settings file.")

    @field_validator("exams", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return split_words(value)

    @model_validator(mode="after")
    def _agree(self) -> ToyOptions:
        if self.kind == "square" and self.epochs > 5:
            raise ValueError("--kind square allows at most 5 --epochs.")
        return self


def study_with(tmp_path: Path, text: str) -> Path:
    (tmp_path / "medcl.toml").write_text(text)
    return tmp_path


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    study = study_with(tmp_path, "[pretrain]\nepochs = 7\nrate = 0.5\n")
    options = ToyOptions.resolve({"study": str(study), "rate": "0.25"})
    assert (options.epochs, options.rate, options.kind) == (7, 0.25, "round")


def test_config_names_another_file(tmp_path: Path) -> None:
    study = study_with(tmp_path, "[pretrain]\nepochs = 7\n")
    other = tmp_path / "other.toml"
    other.write_text("[pretrain]\nepochs = 9\n")
    assert ToyOptions.resolve({"study": str(study), "config": str(other)}).epochs == 9


def test_text_from_the_command_line_is_parsed(tmp_path: Path) -> None:
    given = {"study": str(tmp_path), "size": ("4", "5", "6"), "exams": ["D15,M3", "M12"], "epochs": "2"}
    options = ToyOptions.resolve(given)
    assert (options.size, options.exams, options.epochs) == ((4, 5, 6), ["D15", "M3", "M12"], 2)


def test_all_faults_come_together_in_the_users_words(tmp_path: Path) -> None:
    study = study_with(tmp_path, "[pretrain]\nrate = -1\nepoch = 3\n")
    with pytest.raises(BadInput) as caught:
        ToyOptions.resolve({"study": str(study), "epochs": "many", "kind": "oval"})
    message = str(caught.value)
    assert "--epochs: got 'many'" in message
    assert "--kind: got 'oval'" in message
    assert "medcl.toml [pretrain] rate: got -1" in message
    assert "medcl.toml [pretrain] epoch: no such setting; nearest: epochs" in message
    assert len(caught.value.problems) == 4


def test_cross_checks_speak_in_flag_names(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--kind square allows at most 5 --epochs"):
        ToyOptions(study=tmp_path, kind="square", epochs=9)


def test_python_gets_the_same_errors() -> None:
    with pytest.raises(BadInput, match="--epochs: got 0"):
        ToyOptions(epochs=0)
    with pytest.raises(BadInput, match="--colour: ToyOptions has no such option"):
        ToyOptions(colour="red")


def test_options_are_frozen() -> None:
    options = ToyOptions()
    with pytest.raises(Exception, match="frozen"):
        options.epochs = 4  # type: ignore[misc]
