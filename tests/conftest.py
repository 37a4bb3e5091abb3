"""A small prepared study that the workflow tests share: made once, copied for each test."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SIZE = (8, 16, 16)
SETTINGS = """[preprocess]
size = [8, 16, 16]

[pretrain]
network = "resnet10"
epochs = 2
batch_size = 8
pairs_per_epoch = 16
steps_per_epoch = 2
precision = "fp32"
"""


def write_study(root: Path, patients: int = 12, exams: tuple[str, ...] = ("D15", "M3")) -> Path:
    """Write a study whose images show a bar that is the longer the higher the GFR."""
    (root / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = []
    for number in range(patients):
        patient = f"P{number + 1:03d}"
        for exam in exams:
            gfr = 15 + 75 * number / max(1, patients - 1) + random.normal(0, 3)
            voxels = random.normal(100, 10, SIZE)
            voxels[2:6, 6:10, 1 : 2 + int(gfr / 8)] += 80
            image = root / "images" / f"{patient}_{exam}.nii.gz"
            nib.save(nib.Nifti1Image(voxels.T.astype(np.float32), np.diag([2.0, 2.0, 3.0, 1.0])), image)
            values = ["ab"[number % 2], f"{gfr:.1f}", f"{9000 / gfr:.0f}", number % 4, 50]
            rows.append([patient, exam, f"images/{image.name}", *values])
    with (root / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["patient", "exam", "image", "site", "gfr [mL/min/1.73m2]", "screat [umol/L]", "grade", "constant"]
        )
        writer.writerows(rows)
    (root / "medcl.toml").write_text(SETTINGS, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study after `medcl preprocess`; never changed: tests take `study`."""
    from medcl.workflows.preprocess import PreprocessOptions, preprocess

    root = write_study(tmp_path_factory.mktemp("prepared") / "study")
    preprocess(PreprocessOptions.resolve({"study": root}))
    return root


@pytest.fixture
def study(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared study."""
    return Path(shutil.copytree(prepared, tmp_path / "study"))


@pytest.fixture
def medcl(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run `medcl WORDS` in this process: exit status, and what it printed on both streams."""
    from medcl.cli.app import main

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        code = stop.value.code
        return (code if isinstance(code, int) else 0), captured.out + captured.err

    return run
