"""A study of CT with masks and MR with few, both as slices, and a run that translates between them, untrained."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from medcl.imaging.image_list import write_image_list
from medcl.imaging.store import VolumeStore
from medcl.networks.generator import Generator
from medcl.study.folder import Study
from medcl.study.runs import create_run
from medcl.study.splits import Splits
from medcl.training.export import export_encoder
from medcl.workflows.preprocess import PreprocessOptions, preprocess

SIZE = (1, 32, 32)
SLICES = 3
SPLIT = {
    **{"C1": "train", "C2": "train", "C3": "val", "C4": "test"},
    **{"M1": "train", "M2": "train", "M3": "val", "M4": "test"},
}
MASKED = ("C1", "C2", "C3", "C4", "M1", "M4")
LABELS = '[labels]\n1 = "ring"\n2 = {name = "core", colour = "#D55E00"}\n'
STORES: dict[str, dict[str, Any]] = {
    "ct": {"only": ["modality=ct"], "hu_window": (-200.0, 300.0)},
    "mr": {"only": ["modality=mr"], "intensity": "percentile"},
}


def two_modalities(root: Path, *, labels: str = LABELS, masked: tuple[str, ...] = MASKED) -> Study:
    """Write cohort, images, masks and medcl.toml, and prepare the slices of both as preprocessed/ct and /mr."""
    write_files(root, labels=labels, masked=masked)
    for name, options in STORES.items():
        prepare(Study(root), name, **options)
    return Study(root)


def write_files(root: Path, *, labels: str = LABELS, masked: tuple[str, ...] = MASKED) -> None:
    """All but the slices."""
    (root / "images").mkdir(parents=True)
    rows = ["patient,image,mask,modality,split"]
    for number, (patient, side) in enumerate(SPLIT.items()):
        image, mask = phantom(number, ct=patient.startswith("C"))
        file, truth = f"images/{patient}.nii.gz", f"images/{patient}_mask.nii.gz"
        nib.save(nib.Nifti1Image(image, np.eye(4)), root / file)
        nib.save(nib.Nifti1Image(mask, np.eye(4)), root / truth)
        modality = "ct" if patient.startswith("C") else "mr"
        rows.append(f"{patient},{file},{truth if patient in masked else ''},{modality},{side}")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    (root / "medcl.toml").write_text(labels)


def prepare(study: Study, name: str, **options: Any) -> None:
    """Make the slices of one store."""
    given = {"slices": "axial", "slice_size": SIZE[1:], "workers": 1, "quality": False, **options}
    preprocess(PreprocessOptions(study=study.root, name=name, **given))


def phantom(seed: int, ct: bool) -> tuple[np.ndarray, np.ndarray]:
    """An image (x, y, z) in which a ring (1) has a core (2), bright in CT and dark in MR, and its mask."""
    generator = np.random.default_rng(seed)
    x, y, _ = np.meshgrid(np.arange(32), np.arange(32), np.arange(SLICES), indexing="ij")
    far = np.hypot(x - generator.uniform(12, 20), y - generator.uniform(12, 20))
    mask = np.where(far < 5, 2, np.where(far < 9, 1, 0)).astype(np.uint8)
    image = np.choose(mask, [-100.0, 200.0, 50.0]) if ct else np.choose(mask, [900.0, 100.0, 500.0])
    return (image + generator.normal(0, 10, mask.shape)).astype(np.float32), mask


def translation_run(
    study: Study, name: str = "translate-ct-mr", split: Mapping[str, str] = SPLIT, **changed: Any
) -> Path:
    """A finished run of `medcl translate train` on both stores; `changed` are fields of its architecture."""
    torch.manual_seed(1)
    stores = {side: VolumeStore.open(study.preprocessed(word)) for side, word in (("source", "ct"), ("target", "mr"))}
    run = create_run(study, "translate", name, name, overwrite=False)
    card: dict[str, Any] = {"architecture": {"filters": 4, "blocks": 1, "size": list(SIZE), "channels": 1, **changed}}
    for side, store in stores.items():
        card[side] = {
            "filter": "",
            "preprocessed": store.path.name,
            "recipe": store.recipe.to_json(),
            "recipe_key": store.recipe.key(),
        }
    export_encoder(Generator(4, 1), run.path, {**card, "run": name, "epoch": 1}, "generator")
    Splits.of_parts({1: split}).write(run.path / "splits.csv")
    write_image_list(run.path, [entry for store in stores.values() for entry in store.entries])
    run.write(options={"segment": False})
    run.finish(outputs=[], seconds=1.0)
    return run.path


def copied(study: Study, root: Path) -> Study:
    """A copy of the study without its runs."""
    shutil.copytree(study.root, root, ignore=shutil.ignore_patterns("runs"))
    return Study(root)
