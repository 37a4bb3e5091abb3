"""A study of CT and MR with a joint run of translation and segmentation that nobody trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

from medcl.evaluation.saved_segmenter import STEM, unet_architecture
from medcl.imaging.image_list import IMAGES
from medcl.imaging.nifti import read_nifti
from medcl.imaging.prepare import content_hash
from medcl.imaging.recipe import Recipe
from medcl.networks.generator import Generator
from medcl.networks.unet import UNet
from medcl.study.folder import Study
from medcl.study.label_classes import classes_to_json
from medcl.study.runs import create_run
from medcl.study.splits import Splits
from medcl.training.export import export_encoder
from tests.workflows.segment_runs import AXES, CLASSES, SHAPE, steps

SLICES = Recipe(size=(1, 32, 32), slices="axial")
WIDTHS = (4, 8)
SPLITS = {"P1": "train", "P2": "val", "P3": "test", "P4": "test"}
MODALITIES = {"P1": "mr", "P2": "mr", "P3": "mr", "P4": "ct"}
"""Of the test patients P3 has an image of the target and P4 one of the source."""


def joint_study(root: Path, modalities: dict[str, str] = MODALITIES) -> Study:
    """Four patients with an image and a mask each."""
    (root / "images").mkdir(parents=True)
    rows = ["patient,image,mask,modality"]
    for number, (patient, affine) in enumerate(AXES.items()):
        nibabel.Nifti1Image(steps(SHAPE, number), affine).to_filename(root / "images" / f"{patient}.nii.gz")
        nibabel.Nifti1Image(np.ones(SHAPE, np.uint8), affine).to_filename(root / f"{patient}-mask.nii")
        rows.append(f"{patient},images/{patient}.nii.gz,{patient}-mask.nii,{modalities[patient]}")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    return Study(root)


def joint_run(
    study: Study, name: str = "translate-ct-mr", *, segment: bool = True, target: str = "modality=mr", **options: Any
) -> Path:
    """A finished run of `medcl translate train`, with a segmenter or without."""
    torch.manual_seed(0)
    run = create_run(study, "translate", name, name, overwrite=False)
    sides = {
        side: {
            "filter": text,
            "preprocessed": modality,
            "recipe": SLICES.to_json(),
            "recipe_key": SLICES.key(),
            "modalities": [modality],
            "spacing": [2.0, 1.0, 1.0],
        }
        for side, text, modality in (("source", "modality=ct", "ct"), ("target", target, "mr"))
    }
    shared = {"run": name, "epoch": 1, "data": "", "method": "translation", "classes": classes_to_json(CLASSES)}
    generator = {"filters": 4, "blocks": 1, "size": list(SLICES.size), "channels": 1}
    export_encoder(Generator(4, 1), run.path, {**shared, **sides, "architecture": generator}, "generator")
    if segment:
        card = {**shared, **{key: value for key, value in sides["target"].items() if key != "filter"}}
        card["architecture"] = unet_architecture(SLICES.size, 3, WIDTHS, 0)
        export_encoder(UNet(SLICES.size, 3, WIDTHS), run.path, card, STEM)
    Splits.of_parts({1: SPLITS}).write(run.path / "splits.csv")
    lines = ["case,patient,content,state"]
    for patient in SPLITS:
        file = study.root / "images" / f"{patient}.nii.gz"
        if file.exists():
            lines.append(f"{patient},{patient},{content_hash(read_nifti(file).voxels)},")
    (run.path / IMAGES).write_text("\n".join(lines) + "\n")
    run.write(options={"segment": segment, **options})
    run.finish(outputs=[], seconds=1.0)
    return run.path
