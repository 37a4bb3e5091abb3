"""`medcl segment apply`: masks that lie on the files they belong to, whoever's run it is and whatever is in the way."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest

from medcl.cli.app import main
from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput, RunFailed
from medcl.study.segmentations import CARD, METRICS_FILE, TABLE, newest_segmentations, read_segmentations
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from tests.workflows.segment_runs import AXES, Made, bright, change_card, make_study, sees_brightness, steps

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging" / "dicom"))

from dicom_phantoms import PLANES, lps_affine, noise, write_stack


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_study(tmp_path_factory.mktemp("template") / "study")


@pytest.fixture
def made(template: Made, tmp_path: Path) -> Made:
    """A copy of the study to spoil."""
    root = tmp_path / "study"
    shutil.copytree(template.study.root, root, copy_function=link_weights)
    return Made(type(template.study)(root), root / "runs" / "ideal", template.voxels)


def link_weights(source: str, target: str) -> None:
    """Copies a file; weights, which no test changes, without their 40 MB."""
    (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)


def apply(made: Made, **options: object):
    return segment_apply(SegmentApplyOptions(study=made.study.root, device="cpu", **options))


def mask_of(folder: Path, case: str) -> np.ndarray:
    return np.asarray(nibabel.load(folder / f"{case}.nii.gz").dataobj)


def test_masks_lie_on_the_files_voxel_by_voxel(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    result = apply(made, split="all")
    assert (result.masks, result.patients, result.with_truth, result.left_out) == (4, 4, 3, [])
    for patient in AXES:
        mask = nibabel.load(result.folder / f"{patient}.nii.gz")
        image = nibabel.load(made.study.root / "images" / f"{patient}.nii.gz")
        assert np.array_equal(mask.affine, image.affine)
        assert (int(mask.header["qform_code"]), int(mask.header["sform_code"])) == (2, 1)
        assert np.array_equal(np.asarray(mask.dataobj), bright(made.voxels[patient])), patient
        assert mask.get_data_dtype() == np.uint16


def test_the_random_network_itself_goes_through(made: Made) -> None:
    one = apply(made)
    assert one.masks == 2
    assert set(np.unique(mask_of(one.folder, "P3"))) <= {0, 3, 500}
    again = apply(made, name="again", batch_size=2)
    assert np.array_equal(mask_of(one.folder, "P3"), mask_of(again.folder, "P3"))
    for decoder, value in (("first", 3), ("second", 500)):
        mask = mask_of(apply(made, name=decoder, decoder=decoder).folder, "P3")
        assert (mask == value).all()


def test_the_table_and_the_card(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    result = apply(made)
    assert result.folder == made.study.segmentations / "ideal" == newest_segmentations(made.study)
    rows, card = read_segmentations(result.folder)
    assert [(row.case, row.patient, row.split) for row in rows] == [("P3", "P3", "test"), ("P4", "P4", "test")]
    assert rows[0].image == made.study.root / "images" / "P3.nii.gz"
    assert rows[0].truth == made.study.root / "P3-mask.nii"
    assert rows[1].truth is None
    assert rows[0].prediction.is_file()
    assert [each["value"] for each in card["classes"]] == [3, 500]
    assert card["run"] == "ideal"
    assert Path(card["run_path"]) == made.run
    assert card["options"]["decoder"] == "mean"
    every = apply(made, split="all")
    assert every.folder.name == "ideal-all"
    rows, _ = read_segmentations(every.folder)
    assert [row.split for row in rows] == ["train", "val", "test", "test"]


@pytest.mark.parametrize(("split", "cases"), [("train", ["P1"]), ("val", ["P2"]), ("test", ["P3", "P4"])])
def test_the_split_chooses(made: Made, monkeypatch: pytest.MonkeyPatch, split: str, cases: list[str]) -> None:
    sees_brightness(monkeypatch)
    rows, _ = read_segmentations(apply(made, split=split).folder)
    assert [row.case for row in rows] == cases


def test_a_side_without_patients_is_told(made: Made) -> None:
    with pytest.raises(BadInput, match="train 1, val 1, test 2"):
        apply(made, split="new")


def test_files_outside_of_the_study(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    voxels = steps((9, 20, 5), 9)
    (tmp_path / "new").mkdir()
    nibabel.Nifti1Image(voxels, AXES["P3"]).to_filename(tmp_path / "new" / "stranger.nii")
    nibabel.Nifti1Image(voxels[::-1], AXES["P4"]).to_filename(tmp_path / "new" / "other.nii.gz")
    result = apply(made, files=[tmp_path / "new"])
    assert result.folder == made.study.segmentations / "ideal-files"
    assert np.array_equal(mask_of(result.folder, "stranger"), bright(voxels))
    assert np.array_equal(mask_of(result.folder, "other"), bright(voxels[::-1]))
    rows, _ = read_segmentations(result.folder)
    assert [(row.case, row.split, row.truth) for row in rows] == [("other", "new", None), ("stranger", "new", None)]
    assert rows[0].image == tmp_path / "new" / "other.nii.gz"


def test_without_a_study_run_and_folder_are_enough(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    monkeypatch.chdir(tmp_path)
    file = made.study.root / "images" / "P3.nii.gz"
    options = {"files": [file], "run": str(made.run), "out": Path("out"), "device": "cpu"}
    result = segment_apply(SegmentApplyOptions(**options))
    assert np.array_equal(mask_of(tmp_path / "out", "P3"), bright(made.voxels["P3"]))
    assert result.folder == tmp_path / "out"
    for missing in ("run", "out"):
        with pytest.raises(BadInput, match="no study folder"):
            segment_apply(SegmentApplyOptions(**{**options, missing: None}))


def test_an_image_of_the_training_is_known_again_under_any_name(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sees_brightness(monkeypatch)
    caplog.set_level("INFO", "medcl")
    shutil.copy(made.study.root / "images" / "P1.nii.gz", tmp_path / "stranger.nii.gz")
    (row,), _ = read_segmentations(apply(made, files=[tmp_path / "stranger.nii.gz"]).folder)
    assert row.split == "train"
    assert "no test of it" in caplog.text
    # the broken twin: a run that lists no images calls it new
    (made.run / "images.csv").unlink()
    (row,), _ = read_segmentations(apply(made, files=[tmp_path / "stranger.nii.gz"], overwrite=True).folder)
    assert row.split == "new"


def test_a_run_of_another_study_uses_its_own_recipe_and_knows_nobody(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees_brightness(monkeypatch)
    other = make_study(tmp_path / "other")
    for patient in AXES:  # other images under the same names of patients
        file = other.study.root / "images" / f"{patient}.nii.gz"
        nibabel.Nifti1Image(1 - made.voxels[patient][:, :, ::-1], AXES[patient]).to_filename(file)
    result = apply(other, run=str(made.run))
    rows, _ = read_segmentations(result.folder)
    assert [row.split for row in rows] == ["new"] * 4
    assert np.array_equal(mask_of(result.folder, "P2"), bright(1 - made.voxels["P2"][:, :, ::-1]))
    with pytest.raises(BadInput, match="--split test"):
        apply(other, run=str(made.run), split="test", name="none")


def test_a_bad_file_is_told_and_the_others_are_not_lost(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sees_brightness(monkeypatch)
    (made.study.root / "images" / "P3.nii.gz").write_bytes(b"garbage")
    with pytest.raises(BadInput, match="1 of 2 images cannot be segmented") as caught:
        apply(made)
    assert "P3.nii.gz" in str(caught.value)
    assert "--skip-bad" in str(caught.value)
    folder = made.study.segmentations / "ideal"
    rows, card = read_segmentations(folder)
    assert [row.case for row in rows] == ["P4"]
    assert [each["case"] for each in card["left_out"]] == ["P3"]
    result = apply(made, skip_bad=True, overwrite=True)
    assert [case for case, _ in result.left_out] == ["P3"]
    (made.study.root / "images" / "P4.nii.gz").unlink()
    with pytest.raises(BadInput, match="2 of 2 images"):
        apply(made, skip_bad=True, overwrite=True)
    assert not (folder / CARD).exists()


def test_a_broken_mask_that_the_recipe_does_not_need_does_no_harm(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    (made.study.root / "P3-mask.nii").write_bytes(b"garbage")
    assert apply(made).masks == 2


def test_the_largest_component_alone(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    every, largest = apply(made), apply(made, name="largest", largest_component=True)
    before, after = mask_of(every.folder, "P3"), mask_of(largest.folder, "P3")
    assert 0 < (after == 500).sum() < (before == 500).sum()
    assert (before[after != 0] == after[after != 0]).all()


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(size=(1, 16, 16), slices="acquired"),
        Recipe(size=(1, 24, 24), slices="axial", roi="centre", margin=3.0),
    ],
)
def test_beyond_the_region_is_background(made: Made, monkeypatch: pytest.MonkeyPatch, recipe: Recipe) -> None:
    sees_brightness(monkeypatch)
    change_card(made.run, recipe)
    lines = (made.study.root / "cohort.csv").read_text().splitlines()
    lines[0] += ",centre_x,centre_y,centre_z"
    for place, affine in enumerate(AXES.values(), start=1):
        lines[place] += "," + ",".join(map(str, affine[:3] @ (9.5, 8.5, 2.5, 1)))
    (made.study.root / "cohort.csv").write_text("\n".join(lines) + "\n")
    mask = mask_of(apply(made, split="train").folder, "P1")
    assert 0 < (mask != 0).mean() < 0.6
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()


def test_the_region_of_a_mask(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    change_card(made.run, Recipe(size=(1, 24, 24), slices="axial", roi="mask", margin=0.0))
    assert np.array_equal(mask_of(apply(made, split="train").folder, "P1"), bright(made.voxels["P1"]))
    with pytest.raises(BadInput, match="has no mask"):  # P4 names none
        apply(made)
    with pytest.raises(BadInput, match="a mask of each image"):
        apply(made, files=[made.study.root / "images" / "P1.nii.gz"])


def test_images_of_the_wrong_modality_are_refused(made: Made) -> None:
    change_card(made.run, modalities=["ct"])
    with pytest.raises(BadInput, match="is of modality mr, and the run was trained on ct alone"):
        apply(made)
    change_card(made.run, Recipe(size=(1, 32, 32), slices="axial", hu_window=(-200.0, 300.0)))
    with pytest.raises(BadInput, match="is MR, and the run was trained on Hounsfield units"):
        apply(made)


def test_a_changed_card_is_refused(made: Made) -> None:
    file = made.run / "segmenter.json"
    card = json.loads(file.read_text())
    card["recipe"]["intensity"] = "percentile"
    file.write_text(json.dumps(card))
    with pytest.raises(BadInput, match="the card was changed"):
        apply(made)


def test_nothing_is_overwritten_in_silence(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    folder = apply(made, split="all", name="a").folder
    with pytest.raises(BadInput, match="--overwrite"):
        apply(made, name="a")
    (folder / "notes.txt").write_text("keep")
    (folder / METRICS_FILE).write_text("of the masks that go")
    apply(made, name="a", overwrite=True)
    there = {file.name for file in folder.iterdir()}
    assert there == {"P3.nii.gz", "P4.nii.gz", "notes.txt", TABLE, CARD}


def test_an_input_is_never_written_over(made: Made) -> None:
    images = made.study.root / "images"
    before = {file: file.read_bytes() for file in images.iterdir()}
    for options in ({"files": [images / "P3.nii.gz"]}, {"split": "all"}):
        with pytest.raises(BadInput, match="files that are read"):
            apply(made, out=images, overwrite=True, **options)
    assert {file: file.read_bytes() for file in images.iterdir()} == before


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_a_dicom_folder_gives_a_nifti_and_a_seg(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plane: str, caplog: pytest.LogCaptureFixture
) -> None:
    sees_brightness(monkeypatch)
    pixels = (steps((5, 20, 18), 3) * 3000).astype(np.uint16)
    write_stack(tmp_path / "series", pixels, lps_affine(PLANES[plane]))
    result = apply(made, files=[tmp_path / "series"], dicom_seg=True)
    assert result.segs == 1
    expected = bright(pixels)
    seg = highdicom.seg.segread(result.folder / "series.dcm")
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in sorted((tmp_path / "series").iterdir())]
    back = seg.get_pixels_by_source_instance(uids, combine_segments=True, ignore_spatial_locations=True)
    assert np.array_equal(np.array([0, 3, 500])[back], expected)
    mask = nibabel.load(result.folder / "series.nii.gz")
    assert sorted(np.unique(np.asarray(mask.dataobj), return_counts=True)[1]) == sorted(
        np.unique(expected, return_counts=True)[1]
    )
    assert b"Doe" not in (result.folder / "series.nii.gz").read_bytes()
    assert "Doe" not in (result.folder / CARD).read_text() + (result.folder / TABLE).read_text() + caplog.text


def test_a_seg_that_cannot_be_written_loses_no_mask(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees_brightness(monkeypatch)
    write_stack(tmp_path / "series", noise(5, 20, 18), lps_affine(PLANES["axial"]))
    monkeypatch.setattr(highdicom.seg, "Segmentation", None)
    with pytest.raises(BadInput, match="1 image cannot have a DICOM SEG") as caught:
        apply(made, files=[tmp_path / "series"], dicom_seg=True)
    assert "1 mask of the others" not in str(caught.value)
    rows, _ = read_segmentations(made.study.segmentations / "ideal-files")
    assert [row.case for row in rows] == ["series"]
    result = apply(made, files=[tmp_path / "series"], dicom_seg=True, skip_bad=True, overwrite=True)
    assert (result.masks, result.segs) == (1, 0)


def test_a_seg_needs_a_dicom_folder(made: Made) -> None:
    with pytest.raises(BadInput, match="none of the images is a DICOM folder"):
        apply(made, dicom_seg=True)


def test_a_cohort_may_name_dicom_folders(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    write_stack(made.study.root / "dicom", noise(5, 20, 18), lps_affine(PLANES["axial"]))
    with (made.study.root / "cohort.csv").open("a") as file:
        file.write("P9,dicom,,mr\n")
    result = apply(made, split="new", dicom_seg=True)
    assert (result.masks, result.segs) == (1, 1)
    rows, _ = read_segmentations(result.folder)
    assert [(row.case, row.split) for row in rows] == [("P9", "new")]


def test_what_was_cut_or_is_empty_or_shifted_is_told(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sees_brightness(monkeypatch)
    caplog.set_level("INFO", "medcl")
    change_card(made.run, Recipe(size=(1, 16, 16), slices="axial"), spacing=[1.0, 3.0, 1.0])
    apply(made)
    assert "larger than what the run's --slice-size holds" in caplog.text
    assert "was not looked at and is background (P3, P4)" in caplog.text
    assert "another voxel spacing" in caplog.text

    def nothing(network: object, volume: np.ndarray, **options: object) -> np.ndarray:
        return np.stack([np.ones_like(volume), *[np.zeros_like(volume)] * 2])

    monkeypatch.setattr("medcl.evaluation.predict.predict", nothing)
    apply(made, name="empty")
    assert "2 masks empty" in caplog.text


def test_a_network_that_diverged_is_named_with_the_case(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(*given: object, **options: object) -> None:
        raise RunFailed("the network's probabilities are not finite")

    monkeypatch.setattr("medcl.evaluation.predict.predict", diverged)
    with pytest.raises(RunFailed, match="P3: the network"):
        apply(made)

    def full(*given: object, **options: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("medcl.evaluation.predict.predict", full)
    with pytest.raises(RunFailed, match="lower --batch-size"):
        apply(made)


def test_options_that_contradict_each_other_are_all_told() -> None:
    with pytest.raises(BadInput) as caught:
        SegmentApplyOptions(files=["a.nii"], split="test", name="a/b", out=Path("c"))
    for word in ("--split", "--out", "--name a/b"):
        assert word in str(caught.value)


def test_runs_that_cannot_be_applied(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there are ideal"):
        apply(made, run="idael")
    record = json.loads((made.run / "run.json").read_text())
    (made.run / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    with pytest.raises(BadInput, match="has no network yet"):
        apply(made, run="ideal")
    (made.run / "run.json").write_text(json.dumps({**record, "kind": "pretrain"}))
    with pytest.raises(BadInput, match="not of `medcl segment train`"):
        apply(made, run="ideal")
    with pytest.raises(BadInput, match="medcl segment"):
        apply(made)


def test_from_the_command_line(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sees_brightness(monkeypatch)
    monkeypatch.chdir(made.study.root)
    main_ended(["segment", "apply", "images/P1.nii.gz", "images/P2.nii.gz", "--name", "two", "--device", "cpu"], 0)
    out = capsys.readouterr().out
    assert "2 masks by the run ideal" in out
    assert str(made.study.segmentations / "two") in out
    main_ended(["segment", "apply", "--device", "cpu"], 0)
    assert "Next: medcl segment evaluate" in capsys.readouterr().out
    main_ended(["segment", "apply", "nowhere.nii", "--name", "x"], 2)
    assert "nowhere.nii: no such file" in capsys.readouterr().err


def main_ended(words: list[str], status: int) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert (left.value.code or 0) == status
