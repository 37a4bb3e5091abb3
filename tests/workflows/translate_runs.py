"""A study with a run of `medcl translate train` that nobody trained: random weights, or light turned to dark."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from medcl.imaging.image_list import IMAGES
from medcl.imaging.nifti import read_nifti
from medcl.imaging.prepare import content_hash
from medcl.imaging.recipe import Recipe
from medcl.networks.generator import Generator
from medcl.study.folder import Study
from medcl.study.runs import create_run
from medcl.study.splits import Splits
from medcl.training.export import export_encoder

SHAPE = (20, 18, 6)
SOURCE = Recipe(size=(1, 32, 32), slices="axial", hu_window=(-200.0, 300.0))
IN_HU = Recipe(size=(1, 32, 32), slices="axial", hu_window=(-100.0, 400.0))
WITHOUT_UNIT = Recipe(size=(1, 32, 32), slices="axial", intensity="percentile")
AXES = {
    "P1": np.diag([1.0, 1.0, 2.0, 1.0]),
    "P2": np.diag([-1.0, -1.0, 2.0, 1.0]),
    "P3": np.array([[0.0, 0, 2, -9], [1, 0, 0, 4], [0, -1, 0, 30], [0, 0, 0, 1]]),  # sagittal slices
    "P4": np.array([[1.0, 0, 0, 0], [0, 0.96, -0.56, 0], [0, 0.28, 1.92, 0], [0, 0, 0, 1]]),  # oblique
}
"""How the voxels of each patient's CT run."""

SPLITS = {"P1": "train", "P2": "val", "P3": "test", "P4": "test"}


@dataclass(frozen=True)
class Made:
    """A study, its run folder and the Hounsfield units (x, y, z) of each patient's CT."""

    study: Study
    run: Path
    voxels: dict[str, np.ndarray]


def make_study(root: Path) -> Made:
    """A study of four patients with a CT each and two with an MR too, and a finished run from the one to the other."""
    (root / "images").mkdir(parents=True)
    voxels, rows = {}, ["patient,sequence,image,modality"]
    for number, (patient, affine) in enumerate(AXES.items()):
        voxels[patient] = hounsfield(SHAPE, number)
        image = nibabel.Nifti1Image(voxels[patient], affine)
        image.set_sform(affine, 1)
        image.set_qform(affine, 2)
        image.to_filename(root / "images" / f"{patient}.nii.gz")
        rows.append(f"{patient},ct,images/{patient}.nii.gz,ct")
    for patient in ("P1", "P3"):
        nibabel.Nifti1Image(voxels[patient] + 500, AXES[patient]).to_filename(root / "images" / f"{patient}-mr.nii")
        rows.append(f"{patient},mr,images/{patient}-mr.nii,mr")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    study = Study(root)
    return Made(study, make_run(study), voxels)


def make_run(study: Study) -> Path:
    """A finished run of a small generator with random weights."""
    run = create_run(study, "translate", "ct-mr", "ct-mr", overwrite=False)
    told = {
        "architecture": {"filters": 4, "blocks": 1, "size": [1, 32, 32], "channels": 1},
        "source": side_of(SOURCE, "ct"),
        "target": side_of(IN_HU, "mr"),
        "run": "ct-mr",
        "epoch": 1,
        "data": "",
    }
    export_encoder(lively_generator(), run.path, told, stem="generator")
    Splits.of_parts({1: SPLITS}).write(run.path / "splits.csv")
    lines = ["case,patient,content,state"]
    for patient in SPLITS:
        content = content_hash(read_nifti(study.root / "images" / f"{patient}.nii.gz").voxels)
        lines.append(f"{patient}_ct,{patient},{content},")
    (run.path / IMAGES).write_text("\n".join(lines) + "\n")
    run.finish(outputs=[], seconds=1.0)
    return run.path


def lively_generator() -> Generator:
    """Random weights, and large ones: what they make of slices is far from the even grey of the first weights."""
    torch.manual_seed(0)
    generator = Generator(4, 1)
    with torch.no_grad():
        for weights in generator.parameters():
            weights.mul_(20)
    return generator.eval()


def side_of(recipe: Recipe, modality: str) -> dict[str, Any]:
    """What a card tells of source or target."""
    return {
        "filter": f"modality={modality}",
        "preprocessed": modality,
        "recipe": recipe.to_json(),
        "recipe_key": recipe.key(),
        "modalities": [modality],
        "spacing": [2.0, 1.0, 1.0],
    }


def change_side(run: Path, side: str, used: Recipe | None = None, **fields: Any) -> None:
    """Make the source or the target of a run one of another recipe, or of other fields."""
    file = run / "generator.json"
    card = json.loads(file.read_text())
    if used is not None:
        card[side] |= {"recipe": used.to_json(), "recipe_key": used.key()}
        card["architecture"]["size"] = list(used.size)
    card[side] |= fields
    file.write_text(json.dumps(card))


def hounsfield(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Whole Hounsfield units, all within the source's window."""
    return np.random.default_rng(seed).integers(-200, 301, shape).astype(np.int16)


def turns_dark(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator's answer becomes 1 minus what it is given."""
    monkeypatch.setattr(Generator, "forward", lambda generator, images: 1 - images)


def dark(voxels: np.ndarray, recipe: Recipe = IN_HU) -> np.ndarray:
    """What that generator is to make of a CT's Hounsfield units, in those of the target."""
    low, high = recipe.hu_window or (0.0, 1.0)
    return low + (300 - np.clip(voxels, -200, 300)) * (high - low) / 500
