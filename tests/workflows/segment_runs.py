"""A study with a run of `medcl segment train` that nobody trained: random weights, or one that sees brightness."""

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
from medcl.networks.segmenter import build_segmenter
from medcl.study.folder import Study
from medcl.study.label_classes import LabelClass, classes_to_json
from medcl.study.runs import create_run
from medcl.study.splits import Splits
from medcl.training.export import export_encoder

CLASSES = [LabelClass(3, "bright", "#ff0000"), LabelClass(500, "brightest", "#0072B2")]
SHAPE = (20, 18, 6)
SLICES = Recipe(size=(1, 32, 32), slices="axial")
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
AXES = {
    "P1": np.diag([1.0, 1.0, 2.0, 1.0]),
    "P2": LPS @ np.diag([1.0, 1.0, 2.0, 1.0]),
    "P3": np.array([[0.0, 0, 2, -9], [1, 0, 0, 4], [0, -1, 0, 30], [0, 0, 0, 1]]),  # sagittal slices
    "P4": np.array([[1.0, 0, 0, 0], [0, 0.96, -0.56, 0], [0, 0.28, 1.92, 0], [0, 0, 0, 1]]),  # oblique
}
"""How the voxels of each patient's file run."""

SPLITS = {"P1": "train", "P2": "val", "P3": "test", "P4": "test"}


@dataclass(frozen=True)
class Made:
    """A study, its run folder and the voxels (x, y, z) of each patient's file."""

    study: Study
    run: Path
    voxels: dict[str, np.ndarray]


def make_study(root: Path) -> Made:
    """A study of four patients with an image each, and a finished run of it."""
    (root / "images").mkdir(parents=True)
    voxels, rows = {}, ["patient,image,mask,modality"]
    for number, (patient, affine) in enumerate(AXES.items()):
        voxels[patient] = steps(SHAPE, number)
        image = nibabel.Nifti1Image(voxels[patient], affine)
        image.set_sform(affine, 1)
        image.set_qform(affine, 2)
        image.to_filename(root / "images" / f"{patient}.nii.gz")
        nibabel.Nifti1Image(np.ones(SHAPE, np.uint8), affine).to_filename(root / f"{patient}-mask.nii")
        rows.append(f"{patient},images/{patient}.nii.gz,{f'{patient}-mask.nii' if patient != 'P4' else ''},mr")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    study = Study(root)
    return Made(study, make_run(study), voxels)


def make_run(study: Study) -> Path:
    """A finished run whose network finds the first class everywhere by its first decoder, and by both the second."""
    torch.manual_seed(0)
    run = create_run(study, "segment", "ideal", "ideal", overwrite=False)
    decoders = ["transposed", "bilinear"]
    architecture = {"network": "resnet10", "size": list(SLICES.size), "channels": 1, "classes": 3, "decoders": decoders}
    told = {
        "architecture": architecture,
        "classes": classes_to_json(CLASSES),
        "method": "ideal",
        "recipe": SLICES.to_json(),
        "recipe_key": SLICES.key(),
        "spacing": [2.0, 1.0, 1.0],
        "preprocessed": "default",
        "data": "",
        "run": "ideal",
        "epoch": 1,
    }
    network = build_segmenter("resnet10", SLICES.size, 3, decoders)
    for decoder, biases in zip(network.decoders, ([0.0, 50.0, 0.0], [0.0, 0.0, 90.0]), strict=True):
        decoder.head.bias.data = torch.tensor(biases)
    export_encoder(network, run.path, told, stem="segmenter")
    Splits.of_parts({1: SPLITS}).write(run.path / "splits.csv")
    lines = ["case,patient,content,state"]
    for patient in SPLITS:
        content = content_hash(read_nifti(study.root / "images" / f"{patient}.nii.gz").voxels)
        lines.append(f"{patient},{patient},{content},")
    (run.path / IMAGES).write_text("\n".join(lines) + "\n")
    run.finish(outputs=[], seconds=1.0)
    return run.path


def change_card(run: Path, recipe: Recipe | None = None, **fields: Any) -> None:
    """Make the run one of another recipe of slices, or of other fields."""
    file = run / "segmenter.json"
    card = json.loads(file.read_text()) | fields
    if recipe is not None:
        card |= {"recipe": recipe.to_json(), "recipe_key": recipe.key()}
        card["architecture"]["size"] = list(recipe.size)
    file.write_text(json.dumps(card))


def steps(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Brightness of six steps, none of them near a threshold of `sees_brightness`."""
    return (np.random.default_rng(seed).integers(0, 6, shape) / 5).astype(np.float32)


def sees_brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's answer becomes the brightness of each voxel: above 0.5 the first class, above 0.9 the second."""

    def predict(network: Any, volume: np.ndarray, **options: Any) -> np.ndarray:
        index = (volume > 0.5).astype(int) + (volume > 0.9)
        return (index == np.arange(3)[:, None, None, None]).astype(np.float32)

    monkeypatch.setattr("medcl.evaluation.predict.predict", predict)


def bright(voxels: np.ndarray) -> np.ndarray:
    """What that network is to find in the voxels of a file."""
    scaled = (voxels - voxels.min()) / (voxels.max() - voxels.min())
    return np.where(scaled > 0.9, 500, np.where(scaled > 0.5, 3, 0))
