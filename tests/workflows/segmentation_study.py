"""A study of eight patients with two exams each, whose images show two labelled bodies."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from medcl.study.folder import Study
from medcl.workflows.preprocess import PreprocessOptions, preprocess

PATIENTS = [f"P{n:02d}" for n in range(1, 9)]
EXAMS = ("ED", "ES")
SPLIT = {"P01": "val", "P02": "test"}
SIZE = (4, 32, 32)
LABELS = '[labels]\n1 = "ring"\n2 = {name = "core", colour = "#D55E00"}\n'


def write_study(root: Path, *, labels: str = LABELS, without_masks: tuple[str, ...] = ()) -> Study:
    """Write cohort, images, masks and medcl.toml; nothing is preprocessed yet."""
    (root / "images").mkdir(parents=True)
    rows = ["patient,exam,image,mask,split"]
    for patient in PATIENTS:
        for exam in EXAMS:
            stem = f"images/{patient}_{exam}"
            image, mask = phantom(hash_of(patient, exam))
            save(root / f"{stem}.nii.gz", image.astype(np.float32))
            save(root / f"{stem}_mask.nii.gz", mask)
            told = "" if patient in without_masks else f"{stem}_mask.nii.gz"
            rows.append(f"{patient},{exam},{stem}.nii.gz,{told},{SPLIT.get(patient, 'train')}")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    (root / "medcl.toml").write_text(labels)
    return Study(root)


def prepared_study(root: Path, *, labels: str = LABELS, without_masks: tuple[str, ...] = ()) -> Study:
    """As `write_study`, with its volumes."""
    study = write_study(root, labels=labels, without_masks=without_masks)
    preprocess(PreprocessOptions(study=root, size=SIZE, workers=1, quality=False))
    return study


def phantom(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (x, y, z) in which a bright ring (1) has a darker core (2), and its mask."""
    generator = np.random.default_rng(seed)
    x, y, _ = np.meshgrid(np.arange(32), np.arange(32), np.arange(4), indexing="ij")
    far = np.hypot(x - generator.uniform(12, 20), y - generator.uniform(12, 20))
    mask = np.where(far < 5, 2, np.where(far < 9, 1, 0)).astype(np.uint8)
    return np.choose(mask, [100, 900, 500]) + generator.normal(0, 20, mask.shape), mask


def save(file: Path, voxels: np.ndarray) -> None:
    """Write a NIfTI file of 1 x 1 x 5 mm voxels."""
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])), file)


def hash_of(patient: str, exam: str) -> int:
    """A seed that is the same in every process."""
    return int(patient[1:]) * 10 + EXAMS.index(exam)
