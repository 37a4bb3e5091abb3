"""The quality page that `medcl preprocess` writes beside the volumes."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.imaging.store import MANIFEST, PAGE
from medcl.study.errors import BadInput
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess
from medcl.workflows.quality import CONCEALED, _without_files

SHAPE = (8, 9, 10)
SECRET = "Mustermann"


def scan(path: Path, seed: int, blurred: bool = False) -> None:
    voxels = np.random.default_rng(seed).normal(100, 20, SHAPE)
    if blurred:
        voxels = np.cumsum(voxels, axis=0)  # smooth from slice to slice, so another spread and sharpness
        voxels = np.cumsum(voxels, axis=1)
    nibabel.Nifti1Image(voxels.astype(np.float32), np.diag([1.0, 2.0, 3.0, 1.0])).to_filename(path)


def write_study(root: Path, odd: int | None = None) -> Path:
    """Twelve images of six patients whose names are secrets; one may differ from the others."""
    root.mkdir(exist_ok=True)
    table = [["patient", "exam", "sequence", "image"]]
    for number in range(12):
        patient = f"{SECRET}{number // 2}"
        file = root / f"{patient}-{number}.nii.gz"
        scan(file, number, blurred=number == odd)
        table.append([patient, ("D15", "M3")[number % 2], "water", file.name])
    with (root / "cohort.csv").open("w", newline="") as file_:
        csv.writer(file_).writerows(table)
    return root


def run(root: Path, **options: object) -> Preprocessed:
    return preprocess(PreprocessOptions(**{"study": root, "size": (10, 9, 8), "workers": 1} | options))


def page_of(made: Preprocessed) -> str:
    assert made.page is not None
    return made.page.read_text(encoding="utf-8")


def rows(html: str) -> list[str]:
    return re.findall(r'<tr data-image="\d+"><th[^>]*><a[^>]*>([^<]*)</a>', html)


def test_the_odd_image_comes_first_and_its_twin_as_the_cohort_has_it(tmp_path: Path) -> None:
    html = page_of(run(write_study(tmp_path / "odd", odd=7)))
    assert rows(html)[0] == f"{SECRET}3 · M3 · water"
    assert "Outlier: " in html
    twin = rows(page_of(run(write_study(tmp_path / "twin"))))
    assert twin == [f"{SECRET}{n // 2} · {('D15', 'M3')[n % 2]} · water" for n in range(12)]


def test_the_page_is_remade_when_images_change(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    before = page_of(run(root))
    again = page_of(run(root))
    assert re.findall(r'src="([^"]*)"', before) == re.findall(r'src="([^"]*)"', again)
    scan(root / f"{SECRET}3-7.nii.gz", 7, blurred=True)
    after = page_of(run(root))
    assert rows(after)[0] == f"{SECRET}3 · M3 · water"


def test_what_was_odd_about_a_source_is_told_again_by_later_runs(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    file = root / f"{SECRET}3-7.nii.gz"
    nibabel.Nifti1Image(np.random.default_rng(7).normal(100, 20, SHAPE).astype(np.float32), np.eye(4)).to_filename(file)
    sentence = "Its affine is that of no geometry"
    assert page_of(run(root)).count(sentence) == 1
    again = run(root)
    assert again.kept == 12
    assert page_of(again).count(sentence) == 1
    manifest = (root / "preprocessed/default" / MANIFEST).read_text()
    assert manifest.count("its affine is that of no geometry") == 1
    assert file.name not in manifest
    assert "earlier version" not in page_of(again)
    scan(file, 7)  # mended
    assert sentence not in page_of(run(root))


def test_a_store_that_did_not_note_what_is_odd_says_so(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    run(root)
    file = root / "preprocessed/default" / MANIFEST
    with file.open(newline="") as opened:
        lines = [line[:-1] for line in csv.reader(opened)]
    assert lines[0][-1] == "offset", "warnings is the last column"
    with file.open("w", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(lines)
    made = run(root)
    assert made.kept == 12
    assert "12 images prepared by an earlier version of medcl" in page_of(made)


def test_the_page_can_be_left_out_and_an_older_one_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="medcl")
    root = write_study(tmp_path)
    assert run(root, quality=False).page is None
    assert not (root / "preprocessed/default" / PAGE).exists()
    assert "was removed" not in caplog.text
    run(root)
    assert (root / "preprocessed/default" / PAGE).exists()
    run(root, quality=False)
    assert not (root / "preprocessed/default" / PAGE).exists()
    assert "was removed" in caplog.text


def test_check_writes_no_page(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    assert run(root, check=True).page is None
    assert not list(root.rglob(PAGE))


def test_no_ids_hides_patients_files_and_what_tells_of_them(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    (root / f"{SECRET}5-11.nii.gz").write_bytes(b"no image")
    scan(root / f"{SECRET}4-9.nii.gz", 8)  # the same voxels as the image before
    named = page_of(run(root, skip_bad=True))
    assert f"Holds the same voxels as {SECRET}4 · D15 · water" in named
    assert f"{SECRET}5 · M3 · water: " in named
    hidden = page_of(run(root, skip_bad=True, no_ids=True))
    assert SECRET.casefold() not in hidden.casefold()
    assert str(tmp_path) not in hidden
    assert "Holds the same voxels as Patient 5 · D15 · water" in hidden
    assert "Patient 6 · M3 · water: " in hidden
    assert rows(hidden)[-1] == "Patient 6 · D15 · water"
    assert rows(named)[-1] == f"{SECRET}5 · D15 · water"
    assert str(tmp_path) not in named


@pytest.mark.parametrize(
    ("text", "named", "hidden"),
    [
        ("/s/a/img.nii: is cut off.", "Is cut off.", "Is cut off."),
        ("/s/a/msk.nii: is empty.", "Mask: is empty.", "Mask: is empty."),
        ("the grids of /s/a/img.nii and /s/a/msk.nii differ.", "The grids of image and mask differ.", None),
        ("/s/a/img.nii/IM 1: is torn.", "Image/IM 1: is torn.", CONCEALED),
        ("/s/a/img.nii: belongs to anna.", "Belongs to anna.", CONCEALED),
        ("/s/a/img.nii: is the same as ANNA_M3.", "Is the same as ANNA_M3.", CONCEALED),
    ],
)
def test_sentences_without_files(text: str, named: str, hidden: str | None) -> None:
    row = {"patient": "Anna", "case": "Anna_M3", "image": "/s/a/img.nii", "mask": "/s/a/msk.nii"}
    assert _without_files(text, row, no_ids=False) == named
    assert _without_files(text, row, no_ids=True) == (hidden or named)


def test_no_ids_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--no-ids is about the page"):
        PreprocessOptions(study=tmp_path, no_ids=True, quality=False)


def test_what_is_odd_about_a_source_stands_on_its_card(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    voxels = np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32)
    nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(root / f"{SECRET}0-0.nii.gz")  # an affine of no geometry
    html = page_of(run(root, no_ids=True))
    assert "<li>Its affine is that of no geometry" in html


def test_the_region_is_outlined_with_a_region_only(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    lines = (root / "cohort.csv").read_text().splitlines()
    points = ["centre_x,centre_y,centre_z", *["4,9,15"] * 12]
    (root / "cohort.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, points, strict=True)))
    whole = page_of(run(root, size=(14, 14, 14)))
    centre = page_of(run(root, size=(14, 14, 14), name="centre", roi="centre", margin=50.0))
    assert re.findall(r'src="([^"]*)"', whole) != re.findall(r'src="([^"]*)"', centre)
    assert "around the point of the columns centre_x" in centre


def test_the_command_names_the_page(study: Path, medcl: Callable[..., tuple[int, str]]) -> None:
    code, said = medcl("preprocess", "--study", str(study), "--no-ids")
    assert code == 0
    assert f"Quality page: {study / 'preprocessed/default' / PAGE}" in said
    assert not re.search(r">P0\d\d", (study / "preprocessed/default" / PAGE).read_text(encoding="utf-8"))
    code, said = medcl("preprocess", "--study", str(study), "--no-quality")
    assert code == 0
    assert "Quality page:" not in said
