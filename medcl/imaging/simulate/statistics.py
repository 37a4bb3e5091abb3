"""Single numbers of an image, and how well each alone, or all together, tell GFR.

A method that learns from the simulated images must have something to learn that no single number gives away: these
are the numbers, from the stored image and from one normalised as for a network (z-score within the kidney's box,
clip, 0 to 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.allograft import COLLECTING, CORTEX, MEDULLA
from medcl.imaging.simulate.transplant_mr import Exam, render, tissue_signals

MARGIN_MM = 15.0
PARTS = {"cortex": CORTEX, "medulla": MEDULLA, "collecting": COLLECTING}


def exam_statistics(exam: Exam) -> dict[str, float]:
    """Return the statistics of all images of an exam, named "sequence: statistic"."""
    found: dict[str, float] = {}
    for image in render(exam):
        numbers = image_statistics(image.voxels, image.labels, image.affine)
        found |= {f"{image.sequence}: {name}": value for name, value in numbers.items()}
    return found


def joint_pattern(exam: Exam) -> NDArray[Any]:
    """Return what an ideal reader takes from the tubular image, as logs: brightness over the vein's, and volumes."""
    signal = tissue_signals(exam, "tubular")
    ratios = [signal[name] / signal["vein"] for name in ("medulla", "cortex", "urine", "muscle")]
    return np.log([*ratios, *(exam.shape.volumes[part] for part in PARTS.values())])


def image_statistics(voxels: NDArray[Any], labels: NDArray[Any], affine: NDArray[Any]) -> dict[str, float]:
    """Return statistics of intensities and volumes by name.

    Args:
        voxels: the stored image.
        labels: its label map.
        affine: 4x4 to mm; gives voxel sizes.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    found = {f"volume {name} [mL]": (labels == part).sum() * spacing.prod() / 1000 for name, part in PARTS.items()}
    found["volume kidney [mL]"] = (labels > 0).sum() * spacing.prod() / 1000
    found |= _histogram("image", voxels)
    box = _box(labels, spacing)
    for kind, inside in (("stored", voxels[box]), ("normalised", _normalised(voxels[box].astype(np.float32)))):
        found |= _histogram(f"{kind} box", inside)
        for name, part in PARTS.items():
            found |= _histogram(f"{kind} {name}", inside[labels[box] == part])
        found |= _histogram(f"{kind} kidney", inside[labels[box] > 0])
    return {name: float(value) for name, value in found.items()}


def alone(values: NDArray[Any], target: NDArray[Any]) -> float:
    """Return R2 of the better of two lines: target on the statistic, and on its logarithm where it is positive."""
    forms = [values] if values.min() <= 0 else [values, np.log(values)]
    return max(float(np.corrcoef(form, target)[0, 1] ** 2) if np.ptp(form) > 0 else 0.0 for form in forms)


def together(features: NDArray[Any], target: NDArray[Any], patients: NDArray[Any], folds: int = 5) -> float:
    """Return the held-out R2 of a ridge regression of the target on features and their squares, folds by patient.

    Args:
        features: (N, F).
        target: (N,).
        patients: (N,) patient of each row.
        folds: number of parts.
    """
    names = np.unique(patients)
    guess = np.zeros(target.size)
    for fold in range(folds):
        held = np.isin(patients, names[fold::folds])
        middle, width = features[~held].mean(axis=0), features[~held].std(axis=0) + 1e-9
        design = (features - middle) / width
        design = np.hstack([design, design**2])
        offset, level = design[~held].mean(axis=0), target[~held].mean()
        known = design[~held] - offset
        weights = np.linalg.solve(known.T @ known + 3.0 * np.eye(known.shape[1]), known.T @ (target[~held] - level))
        guess[held] = (design[held] - offset) @ weights + level
    return float(1 - ((guess - target) ** 2).sum() / ((target - target.mean()) ** 2).sum())


def _histogram(name: str, values: NDArray[Any]) -> dict[str, float]:
    marks = np.percentile(values, (5, 25, 50, 75, 95, 99))
    found = {f"{name} p{mark}": value for mark, value in zip((5, 25, 50, 75, 95, 99), marks, strict=True)}
    return found | {f"{name} mean": float(values.mean()), f"{name} sd": float(values.std())}


def _box(labels: NDArray[Any], spacing: NDArray[Any]) -> tuple[slice, ...]:
    corners = np.argwhere(labels > 0)
    margin = np.ceil(MARGIN_MM / spacing).astype(int)
    low, high = np.maximum(corners.min(axis=0) - margin, 0), corners.max(axis=0) + margin + 1
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def _normalised(values: NDArray[Any]) -> NDArray[Any]:
    scaled = np.clip((values - values.mean()) / values.std(), -5, 5)
    return np.asarray((scaled - scaled.min()) / (scaled.max() - scaled.min()))
