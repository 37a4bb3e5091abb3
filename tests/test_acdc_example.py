"""The ACDC example makes a study that medcl reads, from files in the set's form (made here; the set is not ours)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from medcl.study.cohort import read_cohort
from medcl.study.folder import Study
from medcl.study.label_classes import read_label_classes
from medcl.workflows.preprocess import PreprocessOptions

SCRIPT = Path(__file__).parents[1] / "examples" / "acdc" / "make_study.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The example's script as a module."""
    spec = importlib.util.spec_from_file_location("make_study", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two patients with three slices an exam, in the set's form; slices lie in the wrong order."""
    random = np.random.default_rng(0)
    order = [2, 1, 3]
    rows = [(patient, frame, number) for patient in (1, 2) for frame in (1, 2) for number in order]
    images = random.integers(0, 255, (len(rows), 16, 16), dtype=np.uint8)
    images[:, 0, 0] = [number for _, _, number in rows]
    np.savez(
        tmp_path / "acdc_192.npz",
        images=images,
        labels=(images > 128).astype(np.uint8),
        patient=np.array([row[0] for row in rows]),
        frame=np.array([row[1] for row in rows]),
        slice=np.array([row[2] for row in rows]),
        orig_shape=np.tile([32, 64], (len(rows), 1)),
    )
    header = "patient,exam,frame,ejection_fraction,rv_ejection_fraction,rv_to_lv,myocardium_to_lv,group_by_order,split"
    lines = [f"00{p},{e},1,{40 + p},50,0.5,0.6,DCM,{s}" for p, s in ((1, "train"), (2, "test")) for e in ("ED", "ES")]
    (tmp_path / "acdc_clinical.csv").write_text("\n".join([header, *lines]))
    return tmp_path


def test_the_study_is_read_by_medcl(script: ModuleType, data: Path, tmp_path: Path) -> None:
    assert script.write_study(data, tmp_path / "study") == 4
    cohort = read_cohort(tmp_path / "study" / "cohort.csv")
    assert cohort.cases() == ["001_ED", "001_ES", "002_ED", "002_ES"]
    assert cohort.variable("ejection_fraction").unit == "%"
    assert list(cohort.frame["split"]) == ["train", "train", "test", "test"]


def test_slices_are_stacked_in_order_and_the_affine_says_that_it_is_assumed(
    script: ModuleType, data: Path, tmp_path: Path
) -> None:
    script.write_study(data, tmp_path / "study")
    image = nib.load(tmp_path / "study" / "images" / "001_ED.nii.gz")
    voxels = np.asarray(image.dataobj)
    assert voxels.shape == (16, 16, 3)
    assert list(voxels[0, 0]) == [1, 2, 3]
    assert np.allclose(np.diag(image.affine)[:3], [1.5 * 64 / 16, 1.5 * 32 / 16, 10.0])
    assert b"assumed" in bytes(image.header["descrip"])
    assert "ASSUMED" in (tmp_path / "study" / "NOTE.txt").read_text()


def test_masks_and_the_names_of_their_labels_are_written(script: ModuleType, data: Path, tmp_path: Path) -> None:
    script.write_study(data, tmp_path / "study")
    cohort = read_cohort(tmp_path / "study" / "cohort.csv")
    stored = np.load(data / "acdc_192.npz")
    for place, path in enumerate(cohort.frame["mask"]):
        image, mask = nib.load(cohort.frame["image"].iloc[place]), nib.load(path)
        np.testing.assert_array_equal(image.affine, mask.affine)
        voxels = np.asarray(mask.dataobj)
        assert mask.get_data_dtype() == np.uint8
        # Slices lie in the order 2, 1, 3 in the file.
        np.testing.assert_array_equal(voxels[..., 0].T, stored["labels"][3 * place + 1])
    classes = read_label_classes(Study(tmp_path / "study"))
    assert [(each.value, each.name) for each in classes] == [
        (1, "right ventricle"),
        (2, "myocardium"),
        (3, "left ventricle"),
    ]


@pytest.mark.parametrize("slices", [False, True])
def test_the_settings_are_ones_that_preprocess_knows(
    script: ModuleType, data: Path, tmp_path: Path, slices: bool
) -> None:
    script.write_study(data, tmp_path / "study", slices)
    options = PreprocessOptions.resolve({"study": tmp_path / "study"})
    assert options.slices == ("acquired" if slices else "none")


def test_missing_files_are_named(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make_study.py", "--data", str(tmp_path), str(tmp_path / "study")])
    with pytest.raises(SystemExit, match=r"acdc_192\.npz and acdc_clinical\.csv not found"):
        script.main()
