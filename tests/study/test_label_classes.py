from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import (
    LABEL_COLOURS,
    LabelClass,
    classes_from_json,
    classes_to_json,
    read_label_classes,
    refuse_unknown_values,
    unnamed_classes,
)


def declared(folder: Path, text: str) -> list[LabelClass]:
    (folder / "medcl.toml").write_text(f"[labels]\n{text}\n")
    return read_label_classes(Study(folder))


def test_names_and_colours_come_by_value(tmp_path: Path) -> None:
    found = declared(tmp_path, '3 = {name = "left ventricle", colour = "#AA0000"}\n1 = "right ventricle"')
    assert found == [LabelClass(1, "right ventricle", LABEL_COLOURS[0]), LabelClass(3, "left ventricle", "#AA0000")]
    assert classes_from_json(classes_to_json(found)) == found


def test_a_study_may_declare_none(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient,image\n")
    assert read_label_classes(Study(tmp_path)) == []
    assert [(each.value, each.name) for each in unnamed_classes([2, 1])] == [(1, "label 1"), (2, "label 2")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('0 = "nothing"', "expected a label value from 1 to 65535"),
        ('liver = "liver"', "expected a label value from 1 to 65535"),
        ('70000 = "liver"', "expected a label value from 1 to 65535"),
        ("1 = 4", "expected a name"),
        ('1 = {colour = "#000000"}', "expected a name"),
        ('1 = {name = "a", color = "#000000"}', "expected a name"),
        ('1 = {name = "a", colour = "red"}', "is none of the form #rrggbb"),
        ('1 = "a"\n2 = "a"', "gives two values the name 'a'"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        declared(tmp_path, text)


def test_all_problems_come_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        declared(tmp_path, '0 = "a"\n1 = 2')
    assert len(caught.value.problems) == 2


def test_unknown_values_are_refused_with_their_counts() -> None:
    classes = unnamed_classes([1])
    refuse_unknown_values({0: 9, 1: 3}, classes, "m.nii")
    with pytest.raises(BadInput, match=r"m\.nii: holds label values that are not declared: 2 \(1,234 voxels\)"):
        refuse_unknown_values({0: 9, 2: 1234}, classes, "m.nii")


def test_an_image_in_place_of_a_mask_is_told_briefly() -> None:
    with pytest.raises(BadInput) as caught:
        refuse_unknown_values(dict.fromkeys(range(2000), 5), unnamed_classes([1]), "m.nii")
    assert "and 1990 more values (is it an image and no mask?)" in str(caught.value)
    assert len(str(caught.value)) < 400
