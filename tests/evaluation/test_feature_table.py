"""Tables of features: exact numbers there and back, cards that belong to their table, and torn files told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.evaluation.feature_table import (
    FeatureWriter,
    card_file,
    read_feature_table,
    refuse_clashing,
    write_card,
)
from medcl.study.errors import BadInput
from medcl.study.files import read_json, write_json

ROWS = [("P1", "D15", "water", "train"), ("P2", "M3", "", "test"), ("P3, jr", 'M"3', "t2", "new")]


def write(path: Path, features: np.ndarray, **settings: object) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = FeatureWriter(file, features.shape[1], **settings)  # type: ignore[arg-type]
        writer.add(ROWS[:1], features[:1])
        writer.add(ROWS[1:], features[1:])
    return path


def test_there_and_back(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    found = read_feature_table(write(tmp_path / "a.csv", features))
    np.testing.assert_array_equal(found.features, features)
    assert found.features.dtype == np.float32
    assert found.patients.tolist() == ["P1", "P2", "P3, jr"]
    assert found.exams.tolist() == ["D15", "M3", 'M"3']
    assert found.sequences.tolist() == ["water", "", "t2"]
    assert found.splits.tolist() == ["train", "test", "new"]
    assert found.folds.tolist() == [1, 1, 1]
    assert (tmp_path / "a.csv").read_text().splitlines()[0].startswith("patient,exam,sequence,split,f0,f1,")


@settings(max_examples=50, deadline=None)
@given(number=st.floats(width=32, allow_nan=False))
def test_every_float32_is_written_exactly(number: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    features = np.full((3, 2), number, dtype=np.float32)
    found = read_feature_table(write(tmp_path_factory.mktemp("t") / "a.csv", features)).features
    np.testing.assert_array_equal(found, features)


def test_clinical_and_fold_columns_do_not_get_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        writer = FeatureWriter(file, 2, ["gfr", "fever"], folds=True)
        writer.add([(*ROWS[0], "2", "44", "")], np.array([[1, 2]], np.float32))
    assert path.read_text().splitlines() == [
        "patient,exam,sequence,split,fold,gfr,fever,f0,f1",
        "P1,D15,water,train,2,44,,1.0,2.0",
    ]
    found = read_feature_table(path)
    assert found.folds.tolist() == [2]
    assert found.features.tolist() == [[1, 2]]


def test_columns_of_cohort_that_clash_are_refused() -> None:
    refuse_clashing(["gfr", "f", "fo1", "folds"])
    with pytest.raises(BadInput, match=r"columns f1, fold, split of cohort\.csv"):
        refuse_clashing(["gfr", "f1", "fold", "split"])


def test_features_in_any_order_of_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f1,patient,f0\n2,P1,1\n")
    assert read_feature_table(tmp_path / "a.csv").features.tolist() == [[1, 2]]


def assert_card_is_of_this_table(path: Path) -> None:
    assert read_feature_table(path).card["run"] == "variable-gfr"


def test_card_is_believed_beside_its_own_table_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", np.eye(3))
    assert "There is no card" in read_feature_table(path).notes[0]
    write_card(path, {"run": "variable-gfr"})
    assert_card_is_of_this_table(path)
    assert read_feature_table(path).notes == ()
    write(path, np.eye(3) * 2)
    with pytest.raises(KeyError):
        assert_card_is_of_this_table(path)
    assert "not the table that its card describes" in read_feature_table(path).notes[0]


def test_card_of_a_newer_format(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", np.eye(3))
    write_card(path, {})
    write_json(card_file(path), {**read_json(card_file(path)), "format": 99})
    with pytest.raises(BadInput, match="format 99; this medcl reads up to 1"):
        read_feature_table(path)
    write_json(card_file(path), [])
    with pytest.raises(BadInput, match="not the card"):
        read_feature_table(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,f0\n", "no rows"),
        ("", "no rows"),
        ("patient,exam\nP1,D15\n", "no table of features"),
        ("patient,f0,f2\nP1,1,2\n", "no table of features"),
        ("name,f0\nP1,1\n", "no table of features"),
        ("patient,f0,f1\nP1,1,2\nP2,1\n", "row 3 has 2 cells, the header has 3"),
        ("patient,f0,f1\nP1,1,2\nP2,1,high\n", "row 3, column f1: 'high' is no number"),
        ("patient,fold,f0\nP1,one,2\n", "row 2, column fold: 'one' is no number"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_feature_table(tmp_path / "a.csv")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read as a table of features"):
        read_feature_table(tmp_path / "none.csv")


def test_only_keeps_rows_together(tmp_path: Path) -> None:
    found = read_feature_table(write(tmp_path / "a.csv", np.eye(3))).only(np.array([False, True, True]))
    assert found.patients.tolist() == ["P2", "P3, jr"]
    np.testing.assert_array_equal(found.features, np.eye(3)[1:])
    assert len(found) == 2
