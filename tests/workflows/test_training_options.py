"""What every training command hands on to the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medcl.study.errors import BadInput
from medcl.study.splits import Splits
from medcl.workflows import training_folder
from medcl.workflows.training_options import TrainingOptions


def test_the_epochs_before_the_line_reach_the_settings() -> None:
    assert TrainingOptions(epochs=10, schedule="linear", constant_epochs=3).settings().constant == 3
    assert TrainingOptions(epochs=10, schedule="linear").settings().constant == 5
    with pytest.raises(BadInput, match=r"--constant-epochs is .*expected to be left out with --schedule cosine"):
        TrainingOptions(epochs=10, constant_epochs=3).settings()


class Task:
    """Has nothing to say."""

    notes: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("asked", [True, False])
def test_what_follows_epochs_reaches_the_loop_and_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(training_folder, "train", lambda *_, **named: given.update(named))
    seen: list[int] = []
    how: dict[str, Any] = {"after_epoch": seen.append} if asked else {}
    nothing: Any = None
    training_folder.train_in(
        tmp_path / "run",
        nothing,
        Task(),  # type: ignore[arg-type]
        nothing,
        Splits.of_parts({1: {"P1": "train"}}),
        TrainingOptions(),
        device=torch.device("cpu"),
        inputs={},
        **how,
    )
    assert given["after_epoch"] == (seen.append if asked else None)
    assert "after_epoch" not in given["options"]
