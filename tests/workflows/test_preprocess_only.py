"""`medcl preprocess --only`: the images that fit, and nothing of the others."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.imaging.store import FINGERPRINT, RECIPE, VolumeStore
from medcl.study.errors import BadInput
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess

CT, MR = ["P0_ct", "P1_ct", "P2_ct"], ["P3_mr", "P4_mr"]
SITES = ("A", "B", "A", "A", "B")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three CT and two MR images of five patients."""
    rows = []
    for number, case in enumerate([*CT, *MR]):
        voxels = np.random.default_rng(number).normal(-200, 400, (8, 7, 6)).astype(np.float32)
        image = nibabel.Nifti1Image(voxels, np.diag([1.0, 2.0, 3.0, 1.0]))
        image.to_filename(tmp_path / f"{number}.nii")
        patient, modality = case.split("_")
        row = {"patient": patient, "sequence": modality, "modality": modality.upper(), "image": f"{number}.nii"}
        rows.append(row | {"mask": "", "site": SITES[number], "centre_x": str(3 + number)})
        rows[-1] |= {"centre_y": "4", "centre_z": "4"}
    with (tmp_path / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def run(study: Path, *only: str, **options: object) -> Preprocessed:
    values = {"study": study, "size": (4, 4, 4), "workers": 1, "quality": False, "only": list(only)}
    return preprocess(PreprocessOptions(**values | options))


def cases(study: Path, name: str = "default") -> list[str]:
    return [entry.case for entry in VolumeStore.open(study / "preprocessed" / name).entries]


def noted(study: Path) -> dict[str, object]:
    return dict(json.loads((study / "preprocessed/default" / FINGERPRINT).read_text()))


def test_only_images_that_fit_are_made_and_the_choice_is_noted(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="medcl"):
        made = run(study, "modality=ct")
    assert (made.images, made.prepared, made.patients) == (3, 3, 3)
    assert cases(study) == CT
    assert "--only modality=ct: 3 of 5 images of " in caplog.text
    assert (noted(study)["only"], noted(study)["images_by_modality"]) == (["modality=ct"], {"ct": 3})
    assert run(study, "Modality=CT").kept == 3
    run(study, name="whole")
    assert cases(study, "whole") == [*CT, *MR]
    assert "only" not in json.loads((study / "preprocessed/whole" / FINGERPRINT).read_text())
    ct, whole = (VolumeStore.open(study / "preprocessed" / name) for name in ("default", "whole"))
    np.testing.assert_array_equal(ct.read(ct.entries[1]), whole.read(whole.entries[1]))
    assert (ct.path / RECIPE).read_text() == (whole.path / RECIPE).read_text(), "an encoder of one reads the other"


@pytest.mark.parametrize("words", [["modality=ct,site=A"], ["modality=ct", "site=A"], [" modality = ct ", "site=a"]])
def test_all_conditions_must_hold(study: Path, words: list[str]) -> None:
    run(study, *words)
    assert cases(study) == ["P0_ct", "P2_ct"]


def test_images_that_do_not_fit_go_as_those_that_left_the_cohort(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(study)
    with caplog.at_level(logging.INFO, logger="medcl"):
        made = run(study, "modality=mr")
    assert (made.kept, made.prepared) == (2, 0)
    assert cases(study) == MR
    assert "3 files of images that are no longer in the cohort or do not fit --only were removed." in caplog.text
    assert len(list((study / "preprocessed/default/volumes").iterdir())) == 2
    assert (made := run(study)).prepared == 3
    assert made.kept == 2
    assert cases(study) == [*CT, *MR]
    assert "only" not in noted(study)


def test_what_is_wrong_with_the_others_stops_nothing(study: Path) -> None:
    (study / "3.nii").unlink()
    with pytest.raises(BadInput, match="1 of 5 images"):
        run(study)
    with pytest.raises(BadInput, match="1 of 5 images"):
        run(study, check=True)
    assert run(study, "modality=ct").images == 3
    checked = run(study, "modality=ct", check=True)
    assert (checked.images, checked.folder) == (3, None)
    with pytest.raises(BadInput, match=r"1 of 2 images of (.|\n)*P3_mr \(row 5\)"):
        run(study, "modality=mr", check=True)
    with pytest.raises(BadInput, match=r"1 of 2 images of (.|\n)*P3_mr \(row 5\)"):
        run(study, "modality=mr", name="mr")


def test_regions_and_the_page_are_those_of_the_images_that_fit(study: Path) -> None:
    run(study, "modality=mr", roi="centre", margin=3.0, quality=True)
    assert cases(study) == MR
    page = (study / "preprocessed/default/quality.html").read_text()
    assert "P3" in page
    assert "P0" not in page
    with pytest.raises(BadInput, match="has no column mask with values"):
        run(study, "modality=mr", roi="mask", name="masks")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["modality=pet"], r"--only modality=pet: no image .* in column 'modality'; there are: ct, mr\."),
        (["modalty=ct"], r"--only modalty=ct: .*no column 'modalty'. Nearest: 'modality'"),
        (["modality=mr,patient=P0"], r"--only modality=mr,patient=P0: no image .* meets all of these conditions"),
        (["modality=mr", "patient=P0"], r"--only modality=mr,patient=P0: no image .* meets all of these conditions"),
    ],
)
def test_what_no_image_meets_is_told_before_anything_is_written(
    study: Path, only: list[str], message: str, check: bool
) -> None:
    with pytest.raises(BadInput, match=message):
        run(study, *only, check=check)
    assert not (study / "preprocessed").exists()


def test_another_form_is_refused_with_all_other_options() -> None:
    with pytest.raises(BadInput) as caught:
        PreprocessOptions(only=["modality"], size=(0, 1, 1))
    assert any("--only: got" in each and "COLUMN=VALUE is expected" in each for each in caught.value.problems)
    assert any("--size" in each for each in caught.value.problems)


@pytest.mark.parametrize("whole", [["--verify"], ["--from", "."]])
def test_where_nothing_is_prepared_it_is_refused(
    study: Path, medcl: Callable[..., tuple[int, str]], whole: list[str]
) -> None:
    status, told = medcl("preprocess", "--study", study, "--only", "modality=ct", *whole)
    assert status == 2
    assert f"--only chooses rows of cohort.csv to prepare, which {whole[0]} does not do" in told


def test_the_command_takes_it_repeated_or_with_commas_and_from_the_settings(
    study: Path, medcl: Callable[..., tuple[int, str]]
) -> None:
    usual = ["preprocess", "--study", study, "--size", "4", "4", "4", "--workers", "1"]
    status, told = medcl(*usual, "--only", "modality=ct", "--only", "site=A", "--name", "two")
    assert status == 0, told
    assert cases(study, "two") == ["P0_ct", "P2_ct"]
    (study / "medcl.toml").write_text('[preprocess]\nonly = ["modality=mr"]\n')
    assert medcl(*usual)[0] == 0
    assert cases(study) == MR
    assert medcl(*usual, "--verify")[0] == 0, "what medcl.toml holds is for preparing"
