"""`medcl translate apply`: translations in the target's units that lie on the files they were made of."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.imaging.recipe import Recipe
from medcl.imaging.scale import Scale
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.study.segmentations import NEW
from medcl.study.translations import CARD, TABLE, read_translations
from medcl.workflows import translate_apply as applying
from medcl.workflows.output_folder import UNFINISHED
from medcl.workflows.translate_apply import TranslateApplied, TranslateApplyOptions, translate_apply
from tests.workflows.translate_runs import (
    AXES,
    IN_HU,
    SOURCE,
    WITHOUT_UNIT,
    Made,
    change_side,
    dark,
    hounsfield,
    make_study,
    turns_dark,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging" / "dicom"))

from dicom_phantoms import PLANES, lps_affine, noise, write_stack

HALF_A_UNIT = 0.5
"""Stored slices are float16: of a window of 500 HU they tell a quarter of a unit, and whole units come back whole."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_study(tmp_path_factory.mktemp("template") / "study")


@pytest.fixture
def made(template: Made, tmp_path: Path) -> Made:
    """A copy of the study to spoil."""
    root = tmp_path / "study"
    shutil.copytree(template.study.root, root)
    return Made(type(template.study)(root), root / "runs" / "ct-mr", template.voxels)


def apply(made: Made, **options: object) -> TranslateApplied:
    return translate_apply(TranslateApplyOptions(study=made.study.root, device="cpu", **options))


def volume_of(folder: Path, case: str) -> np.ndarray:
    return np.asarray(nibabel.load(folder / f"{case}.nii.gz").dataobj)


def test_translations_lie_on_the_files_voxel_by_voxel_in_hounsfield_units(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns_dark(monkeypatch)
    result = apply(made, split="all")
    assert (result.images, result.patients, result.unit, result.left_out) == (4, 4, "HU", [])
    for patient in AXES:
        made_of = nibabel.load(result.folder / f"{patient}_ct.nii.gz")
        image = nibabel.load(made.study.root / "images" / f"{patient}.nii.gz")
        assert np.array_equal(made_of.affine, image.affine)
        assert (int(made_of.header["qform_code"]), int(made_of.header["sform_code"])) == (2, 1)
        assert made_of.get_data_dtype() == np.float32
        assert b"HU" in made_of.header["descrip"].tobytes()
        assert np.array_equal(np.rint(made_of.dataobj), dark(made.voxels[patient])), patient


def test_a_translation_on_wrong_axes_would_be_seen(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    monkeypatch.setattr(  # in the order in which they lie in memory
        "medcl.imaging.restore_values.restored_values",
        lambda values, stored, shape, affine, outside: Volume(values.reshape(shape), affine),
    )
    folder = apply(made, split="all").folder
    assert np.array_equal(np.rint(volume_of(folder, "P1_ct")), dark(made.voxels["P1"]))  # canonical already
    for patient in ("P2", "P3"):
        assert not np.array_equal(np.rint(volume_of(folder, f"{patient}_ct")), dark(made.voxels[patient]))


def test_without_a_window_it_is_0_to_1_and_said_so(
    made: Made, monkeypatch: pytest.MonkeyPatch, medcl: Callable[..., tuple[int, str]]
) -> None:
    turns_dark(monkeypatch)
    change_side(made.run, "target", WITHOUT_UNIT)
    status, told = medcl("translate", "apply", "--study", made.study.root, "--device", "cpu")
    assert status == 0
    assert "2 translations of 2 patients by the run ct-mr" in told
    assert "in 0..1: the target's intensities have no unit" in told
    rows, card = read_translations(made.study.root / "translations" / "ct-mr")
    assert {row.unit for row in rows} == {"0..1"} == {card["unit"]}
    found = volume_of(made.study.root / "translations" / "ct-mr", "P3_ct")
    assert np.abs(found - dark(made.voxels["P3"], WITHOUT_UNIT)).max() < HALF_A_UNIT / 500
    assert Scale.of(WITHOUT_UNIT) == Scale(0.0, 1.0, "0..1")


def test_the_table_and_the_card(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    result = apply(made)
    assert result.folder == made.study.root / "translations" / "ct-mr"
    rows, card = read_translations(result.folder)
    assert [(row.case, row.patient, row.sequence, row.split) for row in rows] == [
        ("P3_ct", "P3", "ct", "test"),
        ("P4_ct", "P4", "ct", "test"),
    ]
    assert rows[0].image == made.study.root / "images" / "P3.nii.gz"
    assert rows[0].translation == result.folder / "P3_ct.nii.gz"
    assert (
        "\nP3_ct,P3,,ct,test,images/P3.nii.gz,translations/ct-mr/P3_ct.nii.gz,HU,"
        in (result.folder / TABLE).read_text()
    )
    for row in rows:  # a negative tells all of its source, and steps from slice to slice as much
        assert row.chance is not None
        assert row.mutual_information > 2 * row.chance > 0
        assert row.slice_steps == pytest.approx(1, abs=1e-3)
    assert (card["run"], card["unit"], card["options"]) == ("ct-mr", "HU", {"split": None, "smooth": 0.0})
    assert Path(card["run_path"]) == made.run
    assert Recipe.from_json(card["source"]["recipe"]) == SOURCE
    assert Recipe.from_json(card["target"]["recipe"]) == IN_HU
    assert card["source"]["filter"] == "modality=ct"


def test_the_random_generator_itself_goes_through(made: Made) -> None:
    one = volume_of(apply(made).folder, "P3_ct")
    again = volume_of(apply(made, name="again", batch_size=1).folder, "P3_ct")
    assert np.abs(one - again).max() < 1e-2  # HU; what a batch is computed with rounds by its size
    assert one.std() > 10
    assert -100 <= one.min() < one.max() <= 400
    folder = apply(made, name="smooth", smooth=2.0).folder
    assert read_translations(folder)[1]["options"]["smooth"] == 2.0
    smooth = volume_of(folder, "P3_ct")
    assert np.abs(one - smooth).max() > 1
    twice = volume_of(apply(made, name="twice", smooth=2.0, batch_size=4).folder, "P3_ct")
    assert np.abs(twice - smooth).max() < 1e-2


@pytest.mark.parametrize(("split", "cases"), [("train", ["P1_ct"]), ("val", ["P2_ct"]), ("test", ["P3_ct", "P4_ct"])])
def test_the_split_chooses_among_the_sources_images(
    made: Made, monkeypatch: pytest.MonkeyPatch, split: str, cases: list[str]
) -> None:
    turns_dark(monkeypatch)
    rows, _ = read_translations(apply(made, split=split).folder)
    assert [row.case for row in rows] == cases


def test_the_filter_chooses_where_no_modality_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    change_side(made.run, "source", filter="sequence=ct", modalities=[""])
    assert [row.case for row in read_translations(apply(made).folder)[0]] == ["P3_ct", "P4_ct"]
    change_side(made.run, "source", filter="")  # the broken twin: the MR, which no window fits, is tried too
    with pytest.raises(BadInput, match=r"P3-mr\.nii: is MR, and the run was trained on Hounsfield units"):
        apply(made, name="all")


def test_what_is_not_there_is_told(made: Made) -> None:
    with pytest.raises(BadInput, match="train 1, val 1, test 2"):
        apply(made, split="new")
    change_side(made.run, "source", filter="modality=pet")
    with pytest.raises(BadInput, match=r"The run ct-mr: --source modality=pet: .*there are: ct, mr"):
        apply(made)
    change_side(made.run, "source", filter="", modalities=["pet"])
    with pytest.raises(BadInput, match=r"images like those of its source \(pet\)"):
        apply(made)


def test_slices_that_are_too_small_and_other_changed_cards(made: Made) -> None:
    change_side(made.run, "source", replace(SOURCE, size=(1, 4, 4)))
    with pytest.raises(BadInput, match="slices of 4 4 pixels are too small"):
        apply(made)
    change_side(made.run, "source", replace(SOURCE, slices=None, size=(8, 32, 32)))
    with pytest.raises(BadInput, match="makes volumes, and a generator takes slices"):
        apply(made)
    change_side(made.run, "source", replace(SOURCE, roi="elsewhere"))
    with pytest.raises(BadInput, match="the region 'elsewhere'"):
        apply(made)
    change_side(made.run, "source", SOURCE, recipe=replace(SOURCE, hu_window=(0.0, 1.0)).to_json())
    with pytest.raises(BadInput, match="the source's recipe on its card"):
        apply(made)
    change_side(made.run, "source", SOURCE)
    change_side(made.run, "target", IN_HU, recipe=WITHOUT_UNIT.to_json())  # would put 0..1 for Hounsfield units
    with pytest.raises(BadInput, match="the target's recipe on its card"):
        apply(made)


def test_a_run_of_another_kind_is_refused(made: Made) -> None:
    record = json.loads((made.run / "run.json").read_text())
    (made.run / "run.json").write_text(json.dumps(record | {"kind": "segment"}))
    with pytest.raises(BadInput, match="this is a run of `medcl segment`, not of `medcl translate train`"):
        apply(made, run="ct-mr")
    with pytest.raises(BadInput, match="No finished `translate train` run"):
        apply(made)


def test_files_outside_of_the_study(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    voxels = hounsfield((9, 20, 5), 9)
    (tmp_path / "new").mkdir()
    nibabel.Nifti1Image(voxels, AXES["P3"]).to_filename(tmp_path / "new" / "stranger.nii")
    shutil.copy(made.study.root / "images" / "P1.nii.gz", tmp_path / "new" / "known.nii.gz")
    result = apply(made, files=[tmp_path / "new"])
    assert result.folder == made.study.root / "translations" / "ct-mr-files"
    assert np.array_equal(np.rint(volume_of(result.folder, "stranger")), dark(voxels))
    rows, _ = read_translations(result.folder)
    assert [(row.case, row.split) for row in rows] == [("known", "train"), ("stranger", NEW)]


def test_without_a_study_run_and_folder_are_enough(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    monkeypatch.chdir(tmp_path)
    file = made.study.root / "images" / "P3.nii.gz"
    options = {"files": [file], "run": str(made.run), "out": Path("out"), "device": "cpu"}
    assert translate_apply(TranslateApplyOptions(**options)).folder == tmp_path / "out"
    assert np.array_equal(np.rint(volume_of(tmp_path / "out", "P3")), dark(made.voxels["P3"]))
    for missing in ("run", "out"):
        with pytest.raises(BadInput, match="no study folder"):
            translate_apply(TranslateApplyOptions(**{**options, missing: None}))


def test_a_run_of_another_study_knows_nobody_and_its_filter_is_not_asked(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns_dark(monkeypatch)
    other = make_study(tmp_path / "other")
    (other.study.root / "images" / "P1.nii.gz").unlink()
    (other.study.root / "cohort.csv").write_text(
        "patient,image,modality\nP3,images/P3.nii.gz,ct\nP1,images/P3-mr.nii,mr\n"
    )
    rows, _ = read_translations(apply(other, run=str(made.run)).folder)
    assert [(row.case, row.split) for row in rows] == [("P3", "test")]  # by its voxels, which are the same


def test_bad_images_are_told_and_the_others_are_not_lost(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    images = made.study.root / "images"
    rgb = np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nibabel.Nifti1Image(rgb, np.eye(4)).to_filename(images / "P1.nii.gz")
    nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.int16), np.eye(4)).to_filename(images / "P2.nii.gz")
    nibabel.Nifti1Image(made.voxels["P3"] + 4000, AXES["P3"]).to_filename(images / "P3.nii.gz")
    with pytest.raises(BadInput, match="3 of 4 images cannot be translated") as caught:
        apply(made, split="all")
    told = str(caught.value)
    for part in ("RGB colours", "4D with 2 volumes", "Are they Hounsfield units?", "--skip-bad", "1 translation with"):
        assert part in told, part
    rows, card = read_translations(made.study.root / "translations" / "ct-mr-all")
    assert [row.case for row in rows] == ["P4_ct"]
    assert [each["case"] for each in card["left_out"]] == ["P1_ct", "P2_ct", "P3_ct"]
    result = apply(made, split="all", skip_bad=True, overwrite=True)
    assert [case for case, _ in result.left_out] == ["P1_ct", "P2_ct", "P3_ct"]


def test_nothing_is_overwritten_in_silence(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    folder = apply(made, split="all", name="a").folder
    with pytest.raises(BadInput, match="Replace its translations with --overwrite"):
        apply(made, name="a")
    (folder / "notes.txt").write_text("keep")
    apply(made, name="a", overwrite=True)
    assert {file.name for file in folder.iterdir()} == {"P3_ct.nii.gz", "P4_ct.nii.gz", "notes.txt", TABLE, CARD}
    images = made.study.root / "images"
    before = {file: file.read_bytes() for file in images.iterdir()}
    with pytest.raises(BadInput, match="files that are read"):
        apply(made, files=[images / "P3.nii.gz"], out=images, overwrite=True)
    assert {file: file.read_bytes() for file in images.iterdir()} == before


def test_a_call_that_was_stopped_is_taken_up(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(applying, "write_translations", stop)
        with pytest.raises(KeyboardInterrupt):
            apply(made, split="all")
    folder = made.study.root / "translations" / "ct-mr-all"
    assert (folder / UNFINISHED).is_file()
    with pytest.raises(BadInput, match="no finished translations"):
        read_translations(folder)
    left = json.loads((folder / UNFINISHED).read_text())
    assert left["process"] == os.getpid()
    apply(made, split="all")
    assert not (folder / UNFINISHED).exists()
    assert len(read_translations(folder)[0]) == 4


def test_beyond_the_slices_stands_the_lowest_value_and_it_is_told(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns_dark(monkeypatch)
    caplog.set_level("INFO", "medcl")
    change_side(made.run, "source", replace(SOURCE, size=(1, 16, 16)), spacing=[2.0, 3.0, 3.0])
    found = volume_of(apply(made, split="train").folder, "P1_ct")
    seen = np.zeros(found.shape, bool)
    seen[2:18, 1:17] = True
    assert np.array_equal(np.rint(found[seen]), dark(made.voxels["P1"])[seen])
    assert (found[~seen] == IN_HU.hu_window[0]).all()
    assert "what lies outside was not looked at and is the lowest value, -100 (P1_ct)" in caplog.text
    assert "look at the translations (P1_ct (2 1 1))" in caplog.text


def test_slices_of_another_spacing_come_back_by_interpolation(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_dark(monkeypatch)
    ramp = np.broadcast_to(np.linspace(-150, 250, 30)[:, None, None], (30, 24, 5)).astype(np.float32)
    nibabel.Nifti1Image(ramp, AXES["P4"]).to_filename(made.study.root / "images" / "P1.nii.gz")
    change_side(made.run, "source", replace(SOURCE, slice_spacing=(1.7, 1.7)))
    found = volume_of(apply(made, split="train").folder, "P1_ct")
    assert np.abs(found - dark(ramp))[1:-1].max() < HALF_A_UNIT  # beyond the last coarse voxel's middle it is level


def test_padding_would_shine_in_at_the_border(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.imaging.prepare.unpadded", lambda fitted, shape, affine: (slice(0, None),) * 3)
    with pytest.raises(AssertionError):
        test_slices_of_another_spacing_come_back_by_interpolation(made, monkeypatch)


def test_a_dicom_folder_gives_a_nifti_without_names(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns_dark(monkeypatch)
    change_side(made.run, "source", replace(SOURCE, hu_window=None), modalities=["mr"])
    pixels = noise(5, 20, 18)
    write_stack(tmp_path / "series", pixels, lps_affine(PLANES["sagittal"]))
    result = apply(made, files=[tmp_path / "series"])
    found = nibabel.load(result.folder / "series.nii.gz")
    back = 1 - (np.asarray(found.dataobj) + 100) / 500
    assert np.corrcoef(np.sort(back.ravel()), np.sort(pixels.ravel().astype(float)))[0, 1] > 0.999
    assert b"Doe" not in (result.folder / "series.nii.gz").read_bytes()
    assert "Doe" not in (result.folder / CARD).read_text() + (result.folder / TABLE).read_text() + caplog.text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"files": ["a.nii"], "split": "test"}, "--split chooses"),
        ({"name": "a", "out": "b"}, "--name names a folder"),
        ({"name": "../a"}, "plain folder name"),
        ({"smooth": -1}, "--smooth"),
        ({"batch_size": 0}, "--batch-size"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        TranslateApplyOptions(**options)
