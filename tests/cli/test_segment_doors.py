"""What `medcl segment apply` and `evaluate` print at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.cli import segment_apply, segment_evaluate
from medcl.evaluation.segmentation_summary import OVER_CLASSES, ClassSummary, Spread
from medcl.workflows.segment_apply import SegmentApplied
from medcl.workflows.segment_evaluate import SegmentEvaluated

NAN = float("nan")


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def evaluated(empty: int = 0, patients: int = 5) -> SegmentEvaluated:
    ends = (101.25, 140.75) if patients > 1 else (NAN, NAN)
    spread = Spread(9, patients, 123.45, 110.55, 120.0, *ends)
    spreads = dict.fromkeys(segment_evaluate.SHOWN, spread)
    rows = [
        ClassSummary(name, value, 9, 0, empty, 0, spreads)
        for value, name in ((1, "right ventricle"), (2, "myocardium"), (None, OVER_CLASSES))
    ]
    return SegmentEvaluated(Path("f"), None, 9, patients, rows, [])


def test_names_stay_whole_in_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    segment_evaluate.summary(evaluated(empty=3))
    printed = capsys.readouterr().out
    assert "…" not in printed
    for word in ("myocardium", "ventricle", "classes", "101.25", "140.75", "3 / 0 / 0"):
        assert word in printed
    assert max(map(len, printed.split("Mean ±")[0].splitlines())) <= 80


def test_empty_masks_are_spoken_of_where_there_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    segment_evaluate.summary(evaluated())
    assert "*" not in capsys.readouterr().out
    segment_evaluate.summary(evaluated(empty=1))
    printed = capsys.readouterr().out
    assert "empty *" in printed
    assert "* cases without" in printed


def test_of_one_patient_no_interval_is_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    segment_evaluate.summary(evaluated(patients=1))
    assert "interval" not in capsys.readouterr().out
    segment_evaluate.summary(evaluated())
    assert "95% interval" in capsys.readouterr().out


def applied(evaluation: str) -> SegmentApplied:
    told = ["2 images (a, b): is of modality mr"]
    return SegmentApplied(Path("f"), "ideal", 3, 2, 0, 3, evaluation, [("a", "x"), ("b", "x")], told, 1.0)


def test_the_next_command_and_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    segment_apply.summary(applied("medcl segment evaluate --split val"))
    printed = capsys.readouterr().out
    assert "Next: medcl segment evaluate --split val" in printed
    assert printed.count("Left out:") == 1
    segment_apply.summary(applied(""))
    assert "Next:" not in capsys.readouterr().out
