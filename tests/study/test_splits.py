"""Splits: by patient always, seeded, stratified, from whatever source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.errors import BadInput
from medcl.study.split_file import Splits
from medcl.study.splits import make_splits, read_splits
from medcl.study.variable import Variable


def cohort(patients: int, exams: int = 2, **columns: list[str]) -> pd.DataFrame:
    rows = [(f"P{p}_D{e}", f"P{p}", "", "") for p in range(patients) for e in range(exams)]
    frame = pd.DataFrame(rows, columns=["case", "patient", "site", "split"])
    return frame.assign(**columns)


def by_case(frame: pd.DataFrame, value: Callable[[str], float]) -> Variable:
    values = pd.Series([value(patient) for patient in frame["patient"]], index=list(frame["case"]), dtype="float64")
    return Variable("gfr", "gfr", "", "numeric", values)


def rows_by_side(frame: pd.DataFrame, splits: Splits, fold: int = 1) -> pd.Series:
    return frame["patient"].map(splits.of(fold))


Split = Callable[[pd.DataFrame], pd.Series]


def assert_splits_whole_patients(split: Split) -> None:
    """A split of rows keeps each patient's rows together, and uses all three parts."""
    frame = cohort(40, exams=3)
    sides = split(frame)
    assert set(sides) == {"train", "val", "test"}
    assert sides.groupby(frame["patient"]).nunique().max() == 1


def test_a_split_is_by_patient() -> None:
    assert_splits_whole_patients(lambda frame: rows_by_side(frame, make_splits(frame, seed=3)))


def test_the_broken_twin_that_splits_rows_is_caught() -> None:
    def by_row(frame: pd.DataFrame) -> pd.Series:
        order = np.random.default_rng(3).permutation(len(frame)) / len(frame)
        return pd.Series(np.where(order < 0.7, "train", np.where(order < 0.8, "val", "test")), index=frame.index)

    with pytest.raises(AssertionError):
        assert_splits_whole_patients(by_row)


@pytest.mark.parametrize(
    ("patients", "train", "val", "test"), [(2, 1, 0, 1), (3, 1, 1, 1), (4, 2, 1, 1), (10, 7, 1, 2), (80, 56, 8, 16)]
)
def test_default_sizes(patients: int, train: int, val: int, test: int) -> None:
    splits = make_splits(cohort(patients), seed=0)
    assert splits.counts() == {"train": train, "val": val, "test": test}
    assert any("too few for validation" in note for note in splits.notes) == (val == 0)


def test_one_patient_is_refused_with_the_next_step() -> None:
    with pytest.raises(BadInput, match="at least 2 patients, and the cohort has 1: add patients"):
        make_splits(cohort(1), seed=0)


@given(st.integers(2, 60), st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows(patients: int, seed: int, chance: object) -> None:
    frame = cohort(patients)
    order = list(frame.index)
    chance.shuffle(order)  # type: ignore[attr-defined]
    variable = by_case(frame, lambda patient: float(patient[1:]) % 7)
    first = make_splits(frame, seed=seed, stratify=variable)
    second = make_splits(frame.loc[order].reset_index(drop=True), seed=seed, stratify=variable)
    assert first.of() == second.of()


def test_another_seed_is_another_split() -> None:
    assert make_splits(cohort(40), seed=0).of() != make_splits(cohort(40), seed=1).of()


def test_fractions_change_the_sizes() -> None:
    assert make_splits(cohort(40), seed=0, fractions=(0.5, 0.25, 0.25)).counts() == {"train": 20, "val": 10, "test": 10}
    for wrong in ((0.7, 0.1, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)):
        with pytest.raises(BadInput, match="sum to 1"):
            make_splits(cohort(40), seed=0, fractions=wrong)


def test_stratification_balances_a_number_in_every_part() -> None:
    frame = cohort(100)
    variable = by_case(frame, lambda patient: float(patient[1:]) ** 2)
    for seed in range(5):
        parts = make_splits(frame, seed=seed, stratify=variable).of()
        for decade in range(10):
            members = [parts[f"P{number}"] for number in range(10 * decade, 10 * decade + 10)]
            assert 1 <= members.count("test") <= 3
            assert members.count("val") <= 2
    loose = [make_splits(frame, seed=seed).of() for seed in range(5)]
    by_decade = [
        sum(part[f"P{10 * decade + n}"] == "test" for n in range(10)) for part in loose for decade in range(10)
    ]
    assert not all(1 <= count <= 3 for count in by_decade)  # without stratification it is not so


def test_stratification_by_class_takes_the_patients_most_frequent_one_and_missing_as_its_own() -> None:
    frame = cohort(60, exams=3)
    classes: list[str | None] = []
    for patient in frame["patient"][::3]:
        number = int(patient[1:])
        classes += [None] * 3 if number % 3 == 2 else ["b", "a", "a"] if number % 3 else ["b", "b", "a"]
    values = pd.Series(classes, index=list(frame["case"]), dtype=object)
    parts = make_splits(frame, seed=0, stratify=Variable("x", "x", "", "categorical", values)).of()
    for third in range(3):
        counts = Counter(parts[f"P{number}"] for number in range(third, 60, 3))
        assert 3 <= counts["test"] <= 5
        assert 1 <= counts["val"] <= 3


def test_folds_test_every_patient_once_and_keep_validation_apart() -> None:
    frame = cohort(23)
    splits = make_splits(frame, seed=0, folds=5)
    assert splits.folds == [1, 2, 3, 4, 5]
    tested = Counter(patient for fold in splits.folds for patient, part in splits.of(fold).items() if part == "test")
    assert set(tested.values()) == {1}
    assert len(tested) == 23
    for fold in splits.folds:
        counts = splits.counts(fold)
        assert counts["test"] in (4, 5)
        assert counts["val"] == 2
        assert sum(counts.values()) == 23
    assert_splits_whole_patients(lambda rows: rows_by_side(rows, make_splits(rows, seed=0, folds=4), 3))


def test_folds_are_stratified() -> None:
    frame = cohort(50)
    splits = make_splits(frame, seed=0, folds=5, stratify=by_case(frame, lambda patient: float(patient[1:])))
    for fold in splits.folds:
        for decade in range(5):
            members = [splits.of(fold)[f"P{number}"] for number in range(10 * decade, 10 * decade + 10)]
            assert members.count("test") == 2


@pytest.mark.parametrize("folds", [-1, 0, 1, 11])
def test_impossible_folds_are_refused(folds: int) -> None:
    with pytest.raises(BadInput, match=rf"--folds {folds}: .*\(10\)"):
        make_splits(cohort(10), seed=0, folds=folds)


def test_as_many_folds_as_patients() -> None:
    splits = make_splits(cohort(3), seed=0, folds=3)
    assert [splits.counts(fold) for fold in splits.folds] == [{"train": 1, "val": 1, "test": 1}] * 3


def test_an_unknown_fold_is_refused() -> None:
    with pytest.raises(BadInput, match="no fold 3; the folds are 1, 2"):
        make_splits(cohort(4), seed=0, folds=2).of(3)


def test_a_site_left_out_is_the_test_part() -> None:
    sites = ["Lyon" if number < 10 else "Paris" for number in range(20) for _ in range(2)]
    sites[-1] = "Lyon"  # a patient with an image from both places
    splits = make_splits(cohort(20, site=sites), seed=0, leave_site="lyon")
    assert {patient for patient, part in splits.of().items() if part == "test"} == {
        *(f"P{n}" for n in range(10)),
        "P19",
    }
    assert splits.counts() == {"train": 8, "val": 1, "test": 11}


def test_sites_that_cannot_be_left_out() -> None:
    with pytest.raises(BadInput, match=r"no site 'Rome' to leave out; the sites in cohort.csv are 'Lyon', 'Paris'"):
        make_splits(cohort(2, site=["Lyon", "Lyon", "Paris", ""]), seed=0, leave_site="Rome")
    with pytest.raises(BadInput, match="no column 'site'"):
        make_splits(cohort(2), seed=0, leave_site="Lyon")
    with pytest.raises(BadInput, match="leaves nobody to train"):
        make_splits(cohort(2, site=["Lyon"] * 4), seed=0, leave_site="Lyon")


def test_the_split_column_is_honoured() -> None:
    words = ["train", "train", "test", "test", "val", "val"]
    splits = make_splits(cohort(3, split=words), seed=0)
    assert splits.of() == {"P0": "train", "P1": "test", "P2": "val"}
    assert splits.notes == ("the split column of cohort.csv",)


def test_a_split_that_is_asked_for_wins_over_the_column_and_says_so() -> None:
    frame = cohort(4, split=["train", "train", "test", "test"] * 2)
    splits = make_splits(frame, seed=0, folds=2)
    assert splits.folds == [1, 2]
    assert "split column of cohort.csv is not used" in splits.notes[0]


def test_a_split_column_with_gaps_or_leaks_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        make_splits(cohort(3, split=["train", "test", "train", "train", "", ""]), seed=0)
    leak, gap = caught.value.problems
    assert "on several sides: 'P0'" in leak
    assert "1 of 3 patients have no split: 'P2'" in gap


def test_a_split_column_without_training_patients_is_refused() -> None:
    with pytest.raises(BadInput, match="no patient is in 'train'"):
        make_splits(cohort(2, split=["test"] * 4), seed=0)


def test_a_written_split_is_read_back_and_given(tmp_path: Path) -> None:
    frame = cohort(9)
    for splits in (make_splits(frame, seed=0), make_splits(frame, seed=0, folds=3)):
        splits.write(tmp_path / "splits.csv")
        back = read_splits(tmp_path / "splits.csv")
        assert back.frame.equals(splits.frame)
        again = make_splits(frame, seed=99, given=back)
        assert [again.of(fold) for fold in again.folds] == [splits.of(fold) for fold in splits.folds]


def test_one_fold_is_written_as_a_division_of_its_own(tmp_path: Path) -> None:
    splits = make_splits(cohort(9), seed=0, folds=3)
    splits.only(2).write(tmp_path / "splits.csv")
    assert read_splits(tmp_path / "splits.csv").of() == splits.of(2)


def test_a_given_split_must_fit_the_patients() -> None:
    given = Splits.of_parts({1: {"P0": "test", "P7": "train"}, 2: {"P0": "test", "P1": "val"}})
    with pytest.raises(BadInput) as caught:
        make_splits(cohort(2), seed=0, given=given)
    text = str(caught.value)
    assert "fold 1: patients that are not in cohort.csv: 'P7'" in text
    assert "fold 1: patients without a split: 'P1'" in text
    assert "fold 2: no patient is in 'train'" in text


def test_sources_exclude_each_other() -> None:
    frame = cohort(4, site=["Lyon"] * 8)
    with pytest.raises(BadInput, match="exclude each other"):
        make_splits(frame, seed=0, folds=2, leave_site="Lyon")


def test_a_given_file_is_named_where_it_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("patient,split\nP0,val\nP7,val\n")
    with pytest.raises(BadInput) as caught:
        make_splits(cohort(2), seed=0, given=read_splits(file))
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [str(file)] * 3
    with pytest.raises(BadInput, match=r"gone\.csv"):
        read_splits(tmp_path / "gone.csv")
