"""cohort.csv: what is read, and everything that is refused, in one message with row and column."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from medcl.study.cohort import Cohort, read_cohort
from medcl.study.errors import BadInput


def study(folder: Path, text: str, *images: str) -> Path:
    for name in images or ("a.nii.gz", "b.nii.gz", "c.nii.gz", "d.nii.gz"):
        path = folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    file = folder / "cohort.csv"
    file.write_bytes(text.encode("utf-8"))
    return file


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        read_cohort(study(folder, text))
    assert caught.value.exit_status == 2
    return caught.value.problems


GOOD = """\
patient,exam,sequence,image,site,gfr [mL/min/1.73m2],sex
P1,D15,water,images/a.nii.gz,Lyon,45.5,F
P1,M3,water,images/b.nii.gz,Lyon,,F
P2,D15,water,images/c.nii.gz,Paris,60,M
"""


def good(folder: Path) -> Cohort:
    return read_cohort(study(folder, GOOD))


def test_the_frame(tmp_path: Path) -> None:
    cohort = good(tmp_path)
    frame = cohort.frame
    assert list(frame["case"]) == ["P1_D15_water", "P1_M3_water", "P2_D15_water"] == cohort.cases()
    assert list(frame["image"]) == [str(tmp_path / "images" / f"{name}.nii.gz") for name in "abc"]
    assert list(frame["row"]) == [2, 3, 4]
    assert list(frame["site"]) == ["Lyon", "Lyon", "Paris"]
    for column in ("modality", "mask", "split", "scanner", "date"):
        assert list(frame[column]) == ["", "", ""]
    assert frame["days"].isna().all()
    assert len(cohort) == 3


def test_the_orders_of_patients_exams_and_sequences(tmp_path: Path) -> None:
    text = "patient,exam,sequence,image\nP10,M12,t2,images/a.nii.gz\nP2,D15,t10,images/b.nii.gz\n"
    cohort = read_cohort(study(tmp_path, text))
    assert cohort.patients() == ["P2", "P10"]
    assert cohort.exams() == ["D15", "M12"]
    assert cohort.sequences() == ["t2", "t10"]


def test_variables_are_found_by_synonym_and_reserved_columns_too(tmp_path: Path) -> None:
    cohort = good(tmp_path)
    for name in ("gfr", "eGFR", "e-gfr [x]", "GFR [mL/min/1.73m2]"):
        assert cohort.variable(name) is cohort.variables["gfr"]
    site = cohort.variable("centre")
    assert (site.kind, site.classes) == ("categorical", ["Lyon", "Paris"])
    assert cohort.variable("exam").values["P1_M3_water"] == "M3"
    assert cohort.variable("patient").classes == ["P1", "P2"]


def test_days_are_a_numeric_variable(tmp_path: Path) -> None:
    text = "patient,image,days,date\nP1,images/a.nii.gz,15,2021-03-05\nP2,images/b.nii.gz,,\n"
    cohort = read_cohort(study(tmp_path, text))
    assert cohort.variable("days").kind == "numeric"
    assert cohort.frame["days"][0] == 15
    assert math.isnan(cohort.frame["days"][1])
    assert list(cohort.frame["date"]) == ["2021-03-05", ""]


def test_an_unknown_variable_lists_the_nearest_or_all(tmp_path: Path) -> None:
    cohort = good(tmp_path)
    with pytest.raises(BadInput, match=r"no column 'gffr'. Nearest: 'gfr \[mL/min/1.73m2\]' \(gfr\)"):
        cohort.variable("gffr")
    with pytest.raises(BadInput, match="The variables are: gfr, sex"):
        cohort.variable("qqqq")
    with pytest.raises(BadInput, match="no column 'scanner'"):
        cohort.variable("scanner")


def test_a_file_as_excel_in_europe_writes_it(tmp_path: Path) -> None:
    text = (
        "\ufeffSubject ID;Visit;Image path;eGFR [mL/min/1.73m²];Créatinine (µmol/L);Sexe;;\r\n"
        "P1;D15;images\\a.nii.gz;45,5;<15;F;;\r\n"
        "P2;d15;images/b.nii.gz;>90;n.a.;f;;\r\n"
        "P3;M3;images/c.nii.gz;60;1.234,5;F;;\r\n"
        ";;;;;;;\r\n"
    )
    cohort = read_cohort(study(tmp_path, text))
    assert list(cohort.frame["image"]) == [str(tmp_path / "images" / f"{name}.nii.gz") for name in "abc"]
    assert list(cohort.frame["exam"]) == ["D15", "D15", "M3"]
    assert cohort.notes == ("column 'Visit': 'd15' is read as 'D15' in 1 cell",)
    gfr, screat = cohort.variable("gfr"), cohort.variable("screat")
    assert list(gfr.values) == [45.5, 90.0, 60.0]
    assert gfr.censored == {"P2_D15"}
    assert screat.unit == "µmol/L"
    assert screat.values["P3_M3"] == 1234.5
    assert screat.values.isna()["P2_D15"]


def test_comments_of_a_template_are_skipped(tmp_path: Path) -> None:
    cohort = read_cohort(study(tmp_path, '# about, "this" file\n#\npatient,image\n# P0,x.nii\nP1,images/a.nii.gz\n'))
    assert list(cohort.frame["row"]) == [5]


def test_modalities_are_unified(tmp_path: Path) -> None:
    text = "patient,modality,image\nP1,CT,images/a.nii.gz\nP2,MRI,images/b.nii.gz\nP3,mr,images/c.nii.gz\n"
    assert list(read_cohort(study(tmp_path, text)).frame["modality"]) == ["ct", "mr", "mr"]


def test_case_names_are_file_names(tmp_path: Path) -> None:
    cohort = read_cohort(study(tmp_path, "patient,exam,image\nA/1:x,D15,images/a.nii.gz\n"))
    assert cohort.cases() == ["A-1-x_D15"]
    assert cohort.patients() == ["A/1:x"]


def test_images_need_not_exist_when_they_are_not_needed(tmp_path: Path) -> None:
    file = study(tmp_path, "patient,image\nP1,gone.nii\nP2,gone2.nii\n")
    assert len(read_cohort(file, need_images=False)) == 2


def test_a_split_is_read_and_filled_for_the_patient(tmp_path: Path) -> None:
    rows = ["P1,D15,images/a.nii.gz,Training", "P1,M3,images/b.nii.gz,", "P2,D15,images/c.nii.gz,test"]
    text = "\n".join(["patient,exam,image,split", *rows])
    cohort = read_cohort(study(tmp_path, text))
    assert list(cohort.frame["split"]) == ["train", "train", "test"]
    assert cohort.variable("split").classes == ["test", "train"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "patinet,image\nP1,images/a.nii.gz\n",
            ["cohort.csv: the required column 'patient' is missing; did you mean it by 'patinet'?"],
        ),
        (
            "patient,gfr\nP1,5\n",
            ["the required column 'image' is missing (also known as images, image_file"],
        ),
        (
            "patient,subject_id,image,GFR,egfr\nP1,P1,images/a.nii.gz,1,2\n",
            [
                "columns 1 ('patient') and 2 ('subject_id') both mean patient",
                "columns 4 ('GFR') and 5 ('egfr') both mean gfr",
            ],
        ),
        (
            "patient,exam,image\nP1,D15,images/a.nii.gz\nP1,d15,images/b.nii.gz\n",
            ["row 3: same patient, exam and sequence (P1, D15) as row 2"],
        ),
        (
            "patient,exam,image\nP1,D15,images/a.nii.gz\nP2,D15,images/../images/a.nii.gz\n",
            ["row 3, column 'image': the same file as in row 2"],
        ),
        (
            "patient,image\n,images/a.nii.gz\nP2,NA\n",
            ["row 2, column 'patient': is empty", "row 3, column 'image': is empty"],
        ),
        (
            "patient,image,mask\nP1,images/a.nii.gz,m.nii\nP2,nowhere.nii.gz,\n",
            ["row 2, column 'mask': no such file", "row 3, column 'image': no such file or folder:"],
        ),
        (
            "patient,image,split\nP1,images/a.nii.gz,trian\n",
            ["row 2, column 'split': 'trian' is no part of a split: expected train, val or test"],
        ),
        (
            "patient,exam,image,split\nP1,D15,images/a.nii.gz,train\nP1,M3,images/b.nii.gz,test\n",
            ["row 3, column 'split': patient 'P1' is test here and train in row 2"],
        ),
        (
            "patient,exam,image\nP1,D15,images/a.nii.gz\np1,M3,images/b.nii.gz\n",
            ["row 3, column 'patient': 'p1' and 'P1' (row 2) differ only in case or spaces"],
        ),
        (
            "patient,exam,image\nP_1,D15,images/a.nii.gz\nP,1_D15,images/b.nii.gz\n",
            ["row 3: this image and that of row 2 would both be named 'P_1_D15'"],
        ),
        (
            "patient,image,days\nP1,images/a.nii.gz,soon\nP2,images/b.nii.gz,5\n",
            ["row 2, column 'days': 'soon' is no number"],
        ),
        (
            "patient,image,date\nP1,images/a.nii.gz,03/04/2021\n",
            ["row 2, column 'date': '03/04/2021': the month may be the first or the second part"],
        ),
        (
            "patient,exam,image,transplant date\nP1,D15,images/a.nii.gz,2020-01-01\nP1,M3,images/b.nii.gz,2020-01-02\n",
            ["row 3, column 'transplant date': patient 'P1' has 2020-01-02 here and 2020-01-01 in row 2"],
        ),
        ("patient,image\n", ["has no rows yet"]),
        ("", ["the table is empty"]),
    ],
)
def test_bad_input(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, text)
    assert len(found) == len(expected), found
    for line, part in zip(found, expected, strict=True):
        assert part in line


def test_all_errors_of_a_table_come_in_one_message(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "subject;image;GFR;eGFR;age;note;split\n"
        "P1;images/a.nii.gz;40;40;1,234;x;train\n"
        "P1;images/b.nii.gz;abc;41;50;x;tets\n"
        ";images/c.nii.gz;42;42;60;x;\n"
        "P3;images/gone.nii.gz;43;43\n"
        "P4;images/gone.nii.gz;44;44;70;x;\n",
    )
    text = "\n".join(found)
    for part in (
        "columns 3 ('GFR') and 4 ('eGFR') both mean gfr",
        "row 2, column 'age': '1,234' has two readings",
        "row 3: same patient, exam and sequence (P1) as row 2",
        "row 3, column 'GFR': 'abc' is no number",
        "row 3, column 'split': 'tets'",
        "row 4, column 'subject': is empty",
        "row 5: has 4 cells where the header has 7",
        "row 6, column 'image': no such file or folder",
    ):
        assert part in text
    assert len(found) == 8


def test_a_thousand_missing_images_are_counted_not_listed(tmp_path: Path) -> None:
    rows = "".join(f"P{number},x{number}.nii\n" for number in range(1000))
    found = problems(tmp_path, "patient,image\n" + rows)
    assert len(found) == 11
    assert "990 more like these" in found[-1]


def test_the_same_file_through_a_link_is_seen(tmp_path: Path) -> None:
    file = study(tmp_path, "patient,image\nP1,images/a.nii.gz\nP2,linked/b.nii.gz\nP3,images/l.nii.gz\n")
    (tmp_path / "linked").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "l.nii.gz").symlink_to(tmp_path / "images" / "a.nii.gz")
    with pytest.raises(BadInput) as caught:
        read_cohort(file)
    (problem,) = caught.value.problems
    assert "row 4, column 'image': the same file as in row 2" in problem


def test_texts_stay_texts(tmp_path: Path) -> None:
    cohort = read_cohort(study(tmp_path, "patient,exam,image\n001,1,images/a.nii.gz\n"))
    assert cohort.cases() == ["001_1"]
    assert isinstance(cohort.frame, pd.DataFrame)
    assert cohort.frame["patient"][0] == "001"
