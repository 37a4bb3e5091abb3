"""The baseline of pixels: principal components of the preprocessed images on a coarse grid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medcl.evaluation.exam_rows import exam_rows
from medcl.evaluation.pixel_components import pixel_components
from medcl.study.errors import BadInput
from medcl.study.plural import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.imaging.store import VolumeStore
    from medcl.study.folder import Study
    from medcl.workflows.evaluate import EvaluateOptions
    from medcl.workflows.evaluate_tables import FeatureSet

GRID = (8, 16, 16)
"""Cells (z, y, x) over which an image is averaged; an axis with fewer voxels keeps its own."""
MOST_COMPONENTS = 32
LEAST_SPREAD = 1e-5
"""Of a component, as a share of the first one's."""


def pixel_features(
    study: Study, of: FeatureSet, training: NDArray[np.bool_], options: EvaluateOptions
) -> tuple[NDArray[np.float64], list[str]]:
    """(E, C) components of the set's exams, and a sentence on how they were found.

    Args:
        study: with the preprocessed images.
        of: whose rows, in its order.
        training: (E,) rows of training patients, on which the components are found; without labels, and for each
            encoder alone. An encoder without any takes all of its rows.
        options: how sequences become an exam, and the seed.

    Raises:
        BadInput: the images are not preprocessed.
    """
    from medcl.imaging.store import VolumeStore

    name = str(of.images.card.get("preprocessed") or "default")
    store = VolumeStore.open(study.preprocessed(name))
    entries = {str(entry.case): entry for entry in store.entries}
    if lacking := sorted({case for case in of.cases if case not in entries}):
        raise BadInput(
            f"{counted(len(lacking), 'image')}{'' if options.no_ids else f', such as {lacking[0]},'} not in "
            f"preprocessed/{name}: run `medcl preprocess`."
        )
    coarse_of = {case: coarse(_image(store, entries[case])) for case in dict.fromkeys(of.cases)}
    if len({len(pixels) for pixels in coarse_of.values()}) > 1:
        raise BadInput(f"the images of preprocessed/{name} have different sizes, too few voxels for a common grid.")
    images = replace(of.images, features=np.stack([coarse_of[case] for case in of.cases]))
    pixels = exam_rows(images, options.sequences).features
    parts = {}
    for encoder in np.unique(of.encoders):
        here = np.flatnonzero(of.encoders == encoder)
        fitted = here[training[here]]
        chosen = fitted if len(fitted) > 1 else here
        parts[encoder] = here, _components(pixels, chosen, options.seed)[here]
    found = np.zeros((len(pixels), max(part.shape[1] for _, part in parts.values())))
    for here, part in parts.values():
        found[here, : part.shape[1]] = part
    whose = "training patients" if training.any() else "all scored patients (there are no training patients)"
    grid = " x ".join(map(str, GRID))
    told = f"Pixels: images of preprocessed/{name} averaged to at most {grid} cells (z, y, x); principal components "
    return found, [f"{told}(at most {found.shape[1]}) found on {whose}, without labels."]


def _components(pixels: NDArray[Any], fitted: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(E, C) components found on the rows `fitted`; those along which these rows hardly differ are left out.

    As many components as rows leave a last one of rounding errors, which a standardised probe would take for a feature.
    """
    count = max(1, min(MOST_COMPONENTS, len(fitted) // 2))
    found = np.asarray(pixel_components(pixels, fitted, components=count, seed=seed), dtype=np.float64)
    spread = found[fitted].std(axis=0)
    return found[:, spread > LEAST_SPREAD * max(float(spread.max()), 1e-12)]


def coarse(image: NDArray[Any]) -> NDArray[np.float32]:
    """The means of an image (Z, Y, X) over the cells of `GRID`, as one row."""
    for axis, cells in enumerate(GRID):
        starts = np.linspace(0, image.shape[axis], min(cells, image.shape[axis]) + 1).round().astype(int)
        sums = np.add.reduceat(image, starts[:-1], axis=axis, dtype=np.float32)
        image = sums / np.diff(starts).reshape([-1 if place == axis else 1 for place in range(3)])
    return image.astype(np.float32).ravel()


def _image(store: VolumeStore, entry: Any) -> NDArray[np.float32]:
    return store.read(entry)
