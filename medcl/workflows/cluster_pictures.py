"""Prototypes and reconstructions as files: PNG of slices and plane images, NIfTI of volumes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medcl.study.files import write_whole
from medcl.workflows.cluster_outcome import ClusterOutcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PROTOTYPES, RECONSTRUCTIONS = "prototypes", "reconstructions"
_HELD_OUT_FIRST = ("test", "new", "val", "train")


def write_prototypes(folder: Path, outcome: ClusterOutcome) -> Floats:
    """Write prototypes/cluster-1.png (or .nii.gz), ... and return the images (K, Z, Y, X)."""
    import torch

    with torch.inference_mode():
        images = outcome.network.prototype_images()[:, 0].float().cpu().numpy()
    for number, image in enumerate(images, start=1):
        _write(folder / PROTOTYPES / f"cluster-{number}", image, outcome, row=0, note=f"prototype of cluster {number}")
    return np.asarray(images, np.float32)


def write_reconstructions(folder: Path, outcome: ClusterOutcome, count: int) -> list[tuple[int, Floats, Floats]]:
    """Write reconstructions/CASE.png (or .nii.gz) of some images, held-out ones first.

    Returns:
        (place in `outcome.found`, image, reconstruction), the images (Z, Y, X).
    """
    from medcl.evaluation.assign import rebuilt

    samples, found = outcome.samples, outcome.found
    places = shown_places(samples.splits[found.rows], count)
    rows = [int(found.rows[place]) for place in places]
    made = []
    for place, row, image in zip(
        places, rows, rebuilt(outcome.network, samples, rows, device=outcome.device), strict=True
    ):
        truth = np.empty(samples.size, np.float32)
        samples.read(row, truth)
        slices = "" if samples.slices is None else f"-slice{samples.slices[row]}"
        name = re.sub(r"[^\w.+-]+", "-", str(samples.cases[row])) + slices
        _write(folder / RECONSTRUCTIONS / name, image, outcome, row=row, note="reconstruction")
        made.append((place, truth, image))
    return made


def shown_places(splits: NDArray[np.str_], count: int) -> list[int]:
    """Places of the images whose reconstructions are shown: held-out ones, as long as there are, evenly through them.

    Args:
        splits: (N,) of the images.
        count: how many, at most.
    """
    chosen: list[int] = []
    for side in _HELD_OUT_FIRST:
        there = np.flatnonzero(splits == side)
        wanted = min(count - len(chosen), len(there))
        if wanted > 0:
            chosen += there[np.linspace(0, len(there) - 1, wanted).round().astype(int)].tolist()
    return chosen


def _write(stem: Path, image: Floats, outcome: ClusterOutcome, *, row: int, note: str) -> None:
    stem.parent.mkdir(exist_ok=True)
    if image.shape[0] > 1:
        from medcl.imaging.nifti import write_nifti
        from medcl.imaging.volume import Volume

        entry = outcome.samples.entries[row]
        affine = np.asarray(entry.affine, np.float64).reshape(4, 4)
        write_nifti(stem.with_name(f"{stem.name}.nii.gz"), Volume(image, affine), note=f"medcl {note}")
        return
    from medcl.figures.png import png

    plane = image[0, ::-1, ::-1] if outcome.of_patients else image[0]  # as radiologists hang it
    grey = np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)
    with write_whole(stem.with_name(f"{stem.name}.png")) as temporary:
        temporary.write_bytes(png(grey))
