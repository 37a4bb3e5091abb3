"""Images chosen by conditions on columns: what is found, and what is told when nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.cohort import Cohort, read_cohort
from medcl.study.errors import BadInput
from medcl.study.image_filter import ImageFilter

TABLE = """\
patient,exam,image,Imaging Modality,centre,split,age [years],stage,grade
P1,D15,1.nii,CT,Lyon,train,40,I,1
P2,D15,2.nii,MRI,Lyon,train,50,ii,2
P3,D15,3.nii,mr,Paris,val,50,II,1
P4,D15,4.nii,ct,paris,test,61,,NA
P5,D15,5.nii,,Paris,test,,I,3
"""


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    (tmp_path / "cohort.csv").write_text(TABLE)
    return read_cohort(tmp_path / "cohort.csv", need_images=False)


def patients(cohort: Cohort, text: str) -> str:
    """The chosen patients' numbers."""
    return "".join(sorted(case[1] for case in ImageFilter.parse(text).cases(cohort)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modality=ct", "14"),
        ("modality=CT", "14"),
        ("Modality = MRI", "23"),
        ("image_modality=irm", "23"),
        ("site=paris", "345"),
        ("Center=PARIS", "345"),
        ("split=training", "12"),
        ("split=test", "45"),
        ("patient=P3", "3"),
        ("exam=d15", "12345"),
        ("stage=II", "23"),
        ("AGE=50", "23"),
        ("age=50.0", "23"),
        ("grade=1", "13"),
        ("modality=mr,site=Paris", "3"),
        ("modality=mr , age=50,", "23"),
    ],
)
def test_images_are_found_however_columns_and_values_are_written(cohort: Cohort, text: str, expected: str) -> None:
    assert patients(cohort, text) == expected


def test_all_conditions_count(cohort: Cohort) -> None:
    both = ImageFilter.parse("modality=ct,site=Lyon")
    assert both.conditions == (("modality", "ct"), ("site", "Lyon"))
    assert both.text == "modality=ct,site=Lyon"
    assert both.cases(cohort) < ImageFilter.parse("modality=ct").cases(cohort)


@pytest.mark.parametrize("text", ["", "modality", "=ct", "modality=", "modality=ct,lyon", " , "])
def test_another_form_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(BadInput, match=r"--target: got .*COLUMN=VALUE is expected, such as modality=ct"):
        ImageFilter.parse(text, "--target")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modalty=ct", r"--only modalty=ct: .*cohort\.csv has no column 'modalty'. Nearest: 'modality'"),
        ("qqqq=1", r"--only qqqq=1: .*has no column 'qqqq' nor one like it. The variables are: age, stage, grade"),
        (
            "modality=pet",
            r"--only modality=pet: no image .*cohort\.csv has this value in column 'modality'.*: ct, mr\.",
        ),
        ("stage=III", r"in column 'stage'; there are: I, II\."),
        ("age=12", r"in column 'age \[years\]'; there are: 40, 50, 61\."),
        ("age=old", r"in column 'age \[years\]'; there are: 40, 50, 61\."),
        ("site=Lyon,split=test", "--only site=Lyon,split=test: no image .* meets all .*though each is met by some"),
    ],
)
def test_what_nobody_has_is_told_with_what_there_is(cohort: Cohort, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ImageFilter.parse(text, "--only").cases(cohort)


def test_every_wrong_condition_is_told_at_once(cohort: Cohort) -> None:
    with pytest.raises(BadInput) as caught:
        ImageFilter.parse("modalty=ct,site=Nice,split=train").cases(cohort)
    first, second = caught.value.problems
    assert "modalty" in first
    assert "there are: Lyon, Paris" in second


def test_many_values_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"P{n},{n}.nii,{n}\n" for n in range(30))
    (tmp_path / "cohort.csv").write_text("patient,image,age\n" + rows)
    cohort = read_cohort(tmp_path / "cohort.csv", need_images=False)
    with pytest.raises(BadInput, match=r"there are: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more\."):
        ImageFilter.parse("age=77").cases(cohort)


def test_the_part_that_is_meant_is_a_cohort_of_its_own(cohort: Cohort) -> None:
    part = ImageFilter.parse("site=Paris").only(cohort)
    assert part.cases() == ["P3_D15", "P4_D15", "P5_D15"]
    assert list(part.frame["row"]) == [4, 5, 6], "rows are those of the file"
    assert list(part.variable("age").values.index) == part.cases()
    assert part.variable("modality").classes == ["ct", "mr"]
    assert len(cohort) == 5
