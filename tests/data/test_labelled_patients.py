"""Labels count patients: how many, which, and who is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medcl.data.label_budget import LabelBudget
from medcl.data.labelled_patients import choose_labelled_patients
from medcl.data.samples import Samples
from medcl.study.errors import BadInput
from tests.data.labelled_study import labelled_study


def study(train: int = 70, masked: int | None = None) -> Samples:
    cases = None if masked is None else [f"P{n:02d}_ES" for n in range(masked)]
    return labelled_study(train=train, val=10, test=20, masked=cases, size=(2, 3, 4))


@pytest.mark.parametrize(
    ("text", "patients", "expected"),
    [
        ("8", 70, 8),
        (" 8 ", 5, 8),
        ("10%", 70, 7),
        ("10 %", 80, 8),
        ("1.25%", 80, 1),
        ("2,5%", 80, 2),
        ("100%", 80, 80),
        ("5%", 70, 4),  # 3.5 is rounded up
        ("5%", 50, 3),  # 2.5 too
        ("1.7%", 70, 1),  # 1.19
        ("0.1%", 70, 1),
    ],
)
def test_budgets(text: str, patients: int, expected: int) -> None:
    assert LabelBudget.parse(text).of(patients) == expected


@pytest.mark.parametrize("text", ["0", "0%", "-3", "101%", "eight", "", "10 percent", "3.5", "%", "1e2"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="such as 8, or a share"):
        LabelBudget.parse(text)


def test_everybody_with_a_mask_unless_told() -> None:
    chosen = choose_labelled_patients(study(train=7, masked=3))
    assert chosen.patients == ("P00", "P01", "P02")
    assert chosen.notes == ("Labelled: 3 of 7 training patients, all who have masks: P00, P01, P02.",)


@pytest.mark.parametrize("seed", range(5))
def test_a_smaller_choice_is_part_of_a_larger_one(seed: int) -> None:
    samples = study()
    one, three, seven, all_of_them = (
        set(choose_labelled_patients(samples, asked, seed=seed).patients) for asked in ("1", "3", "10%", "100%")
    )
    assert [len(each) for each in (one, three, seven, all_of_them)] == [1, 3, 7, 70]
    assert one < three < seven < all_of_them
    assert all_of_them <= set(samples.patients[samples.rows("train")])


def test_the_choice_follows_the_seed_and_every_patient_has_a_chance() -> None:
    samples = study(train=6)
    chosen = [choose_labelled_patients(samples, "1", seed=seed).patients[0] for seed in range(60)]
    assert chosen == [choose_labelled_patients(samples, "1", seed=seed).patients[0] for seed in range(60)]
    assert len(set(chosen)) == 6


def test_only_patients_with_masks_are_drawn_and_more_are_refused() -> None:
    samples = study(masked=8)
    assert choose_labelled_patients(samples, "8").patients == tuple(f"P{n:02d}" for n in range(8))
    assert set(choose_labelled_patients(samples, "10%", seed=3).patients) <= {f"P{n:02d}" for n in range(8)}
    with pytest.raises(BadInput, match=r"--labeled asks for 9 patients, but 8 of the 70 training patients have masks"):
        choose_labelled_patients(samples, "9")
    with pytest.raises(BadInput, match=r"asks for 20% of 70, 14, patients, but 8"):
        choose_labelled_patients(samples, "20%")


def test_nobody_with_a_mask_is_refused() -> None:
    samples = labelled_study(train=3, masked=["P03_ED", "P05_ES"])  # of a validation and of a test patient
    with pytest.raises(BadInput, match="none of the 3 training patients has a mask"):
        choose_labelled_patients(samples, "1")


def test_both_ways_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="exclude each other"):
        choose_labelled_patients(study(), "1", tmp_path / "list.txt")


@pytest.mark.parametrize(
    "text",
    [
        "P01\nP05\nP03\n",
        "\ufeffP01\r\n# a comment\r\n\r\nP05\r\nP03",
        "patient\nP03\nP01\nP05\n",
        "Patient ID;centre\nP03;A\nP01;B\nP05;B\nP05;B\n",
        "p-3\nP 1\nP05\n",
    ],
)
def test_lists_are_read_with_and_without_a_header(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labelled.csv"
    file.write_text(text, encoding="utf-8", newline="")
    assert choose_labelled_patients(study(), file=file).patients == ("P01", "P03", "P05")


def test_ids_that_are_written_differently_are_told(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("p-3\n")
    notes = choose_labelled_patients(study(), file=tmp_path / "list.txt").notes
    assert notes[1].endswith("list.txt: 'p-3' is read as patient P03.")


def test_all_that_is_wrong_with_a_list_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("P01\nP123\nP72\nP85\nP05\n")
    with pytest.raises(BadInput) as error:
        choose_labelled_patients(study(masked=3), file=file)
    told = "\n".join(error.value.problems)
    assert len(error.value.problems) == 4
    assert "row 2: 'P123' is no patient of the preprocessed images" in told
    assert "row 3: patient P72 is in the val part of the split" in told
    assert "row 4: patient P85 is in the test part of the split" in told
    assert "row 5: patient P05 has no mask" in told


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        ("patient\n", "names no patient"),
        ("id,name\nP01,x\n", "'patient' is missing; the columns are 'id', 'name'"),
        ("P01\np-1\n", "would both be patient P01"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match=match):
        choose_labelled_patients(study(), file=file)
    with pytest.raises(BadInput, match="no such file"):
        choose_labelled_patients(study(), file=tmp_path / "gone.csv")


def test_the_choice_does_not_depend_on_how_rows_are_counted() -> None:
    """Slices and volumes, one exam or two: the same patients."""
    choices = {
        choose_labelled_patients(labelled_study(size=(2, 3, 4), slices=slices, exams=exams), "3", seed=1).patients
        for slices in (False, True)
        for exams in (("ED",), ("ED", "ES"))
    }
    assert len(choices) == 1
    assert len(np.unique(next(iter(choices)))) == 3
