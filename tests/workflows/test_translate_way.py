"""The whole way: Hounsfield units in, a translation learned, Hounsfield units out on the original grids."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medcl.networks.generator import Generator
from medcl.study.folder import Study
from medcl.study.segmentations import read_segmentations
from medcl.study.translations import read_translations
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.simulate import SimulateOptions, simulate
from medcl.workflows.translate_apply import TranslateApplyOptions, translate_apply
from tests.workflows.translate_quick import joint, quick, trained
from tests.workflows.two_modalities import prepare

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging" / "dicom"))

from dicom_phantoms import PLANES, lps_affine, write_stack

WINDOW = (-200.0, 300.0)
BACK = {"source_preprocessed": "mr", "target_preprocessed": "ct"}


@pytest.fixture(scope="module")
def abdomens(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Four simulated patients, by turns with CT and MR, as coarse slices."""
    root = tmp_path_factory.mktemp("way") / "study"
    simulate(SimulateOptions(directory=root, kind="abdomen-ct-mr", patients=4, seed=1, workers=1))
    rows = (root / "cohort.csv").read_text().splitlines()
    sides = ["split", "train", "train", "test", "test"]
    (root / "cohort.csv").write_text("\n".join(",".join(pair) for pair in zip(rows, sides, strict=True)) + "\n")
    study = Study(root)
    coarse: dict[str, Any] = {"slice_size": (32, 32), "slice_spacing": (12.0, 12.0)}
    prepare(study, "ct", only=["modality=ct"], hu_window=WINDOW, **coarse)
    prepare(study, "mr", only=["modality=mr"], intensity="percentile", **coarse)
    return study


def patient(study: Study, modality: str, side: str) -> tuple[str, nibabel.Nifti1Image]:
    """A patient and the original image."""
    from medcl.study.cohort import read_cohort

    frame = read_cohort(study.cohort_file).frame
    (row,) = frame[(frame["modality"] == modality) & (frame["split"] == side)].to_dict("records")
    return row["case"], nibabel.load(row["image"])


def test_mr_comes_back_in_hounsfield_units_on_its_own_grid(abdomens: Study) -> None:
    trained(quick(abdomens, name="back", epochs=1, steps_per_epoch=2, **BACK))
    done = translate_apply(TranslateApplyOptions(study=abdomens.root, run="back", device="cpu"))
    case, original = patient(abdomens, "mr", "test")
    assert (done.images, done.unit) == (1, "HU")
    (row,), card = read_translations(done.folder)
    assert (row.case, row.unit, card["unit"]) == (case, "HU", "HU")
    found = nibabel.load(row.translation)
    assert found.shape == original.shape
    assert np.array_equal(found.affine, original.affine)
    voxels = np.asarray(found.dataobj)
    assert WINDOW[0] <= voxels.min() < voxels.max() <= WINDOW[1]
    assert voxels.max() > 1, "a slice of 0..1 would not be"


def test_a_joint_run_segments_mr_and_translates_ct(abdomens: Study) -> None:
    path = trained(joint(abdomens, name="joint", epochs=1, steps_per_epoch=2))
    masks = segment_apply(SegmentApplyOptions(study=abdomens.root, run="joint", device="cpu"))
    case, original = patient(abdomens, "mr", "test")
    (row,), _ = read_segmentations(masks.folder)
    assert row.case == case
    mask = nibabel.load(row.prediction)
    assert mask.shape == original.shape
    assert np.array_equal(mask.affine, original.affine)
    assert set(np.unique(np.asarray(mask.dataobj)).tolist()) <= {0, 1, 2, 3, 4}
    done = translate_apply(TranslateApplyOptions(study=abdomens.root, run=str(path), device="cpu"))
    case, original = patient(abdomens, "ct", "test")
    found = nibabel.load(done.folder / f"{case}.nii.gz")
    assert done.unit == "0..1"
    assert found.shape == original.shape
    voxels = np.asarray(found.dataobj)
    assert 0 <= voxels.min() < voxels.max() <= 1


SHAPE = (4, 32, 30)
"""Slices, rows and columns of the DICOM series."""

SPACING = (1.0, 1.0, 3.0)
"""Between columns, rows and slices, in mm."""


def hounsfield(seed: int) -> np.ndarray:
    """(slice, row, column): air, fat, soft tissue and bone, beyond both ends of the window."""
    x, y = np.meshgrid(np.arange(SHAPE[2]), np.arange(SHAPE[1]))
    body = np.hypot(x - 15, y - 16) < 13
    units = np.where(body, np.random.default_rng(seed).integers(-120, 200, SHAPE), -1000)
    units[:, 12:16, 12:16] = 900
    return units


@pytest.fixture(scope="module")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """CT of site A as DICOM series, stored with an intercept of -1024, of site B as NIfTI, and a run from A to B."""
    root = tmp_path_factory.mktemp("scanners") / "study"
    rows = ["patient,image,modality,site,split"]
    affine = lps_affine(PLANES["axial"], SPACING)
    for number, side in enumerate(("train", "val", "test")):
        stored = (hounsfield(number) + 1024).astype(np.uint16)
        fields = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024, "PatientID": f"D{number}"}
        write_stack(root / "dicom" / f"D{number}", stored, affine, **fields)
        rows.append(f"D{number},dicom/D{number},ct,A,{side}")
    for number, side in enumerate(("train", "test")):
        units = hounsfield(10 + number).transpose(2, 1, 0).astype(np.int16)
        nibabel.Nifti1Image(units, np.diag([-1.0, -1.0, 3.0, 1.0])).to_filename(root / f"N{number}.nii.gz")
        rows.append(f"N{number},N{number}.nii.gz,ct,B,{side}")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    study = Study(root)
    prepare(study, "default", hu_window=WINDOW)
    sites = {"source": "site=A", "target": "site=B", "source_preprocessed": None, "target_preprocessed": None}
    trained(quick(study, name="a-b", epochs=1, **sites))
    return study


def translated(study: Study, name: str) -> np.ndarray:
    """The test patient's series as the run translates it, (slice, row, column) by where its voxels lie."""
    asked = TranslateApplyOptions(study=study.root, run="a-b", name=name, device="cpu")
    done = translate_apply(asked)
    assert (done.images, done.unit) == (1, "HU")
    image = nibabel.load(done.folder / "D2.nii.gz")
    assert sorted(image.shape) == sorted(SHAPE)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps_affine(PLANES["axial"], SPACING)
    slices, rows, columns = (each.ravel() for each in np.indices(SHAPE))
    index = np.linalg.inv(image.affine) @ ras @ np.stack([columns, rows, slices, np.ones_like(rows)])
    assert np.allclose(index, np.rint(index), atol=1e-3), "on the scanner's own grid"
    x, y, z = np.rint(index[:3]).astype(int)
    return np.asarray(image.dataobj)[x, y, z].reshape(SHAPE)


def test_a_dicom_series_is_translated_within_the_window(scanners: Study) -> None:
    voxels = translated(scanners, "learned")
    assert WINDOW[0] <= voxels.min() < voxels.max() <= WINDOW[1]


def test_a_generator_that_changes_nothing_gives_the_scanners_units_back(
    scanners: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the window; the stored integers lie 1024 above them."""
    monkeypatch.setattr(Generator, "forward", lambda generator, images: images)
    expected = np.clip(hounsfield(2), *WINDOW)
    assert np.abs(translated(scanners, "unchanged") - expected).max() < 0.5
    assert {*WINDOW} <= set(np.unique(expected).tolist()), "air and bone lie beyond it"
