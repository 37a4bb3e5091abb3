"""A prepared cohort in numbers: what one wants to know before training on it, and what a run notes as its input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medcl.imaging.recipe import Recipe
from medcl.imaging.store import dataset_hash
from medcl.imaging.stored_volume import StoredVolume


def cohort_fingerprint(
    entries: Sequence[StoredVolume],
    recipe: Recipe,
    left_out: Sequence[Mapping[str, Any]] = (),
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Counts, shapes, spacings and intensities of a store, as plain types.

    Shapes and spacings are z y x; intensities are those of the source images, each quantile with its least, middle
    and greatest value over the images. `only` holds the conditions of `medcl preprocess --only`, where there were any.
    """
    return {
        "dataset": dataset_hash(entries, recipe),
        "recipe": recipe.key(),
        **({"only": list(only)} if only else {}),
        "images": len(entries),
        "patients": len({e.patient for e in entries}),
        "exams": len({(e.patient, e.exam) for e in entries}),
        "images_by_exam": _counts(e.exam for e in entries),
        "images_by_sequence": _counts(e.sequence for e in entries),
        "images_by_modality": _counts(e.modality for e in entries),
        "images_by_site": _counts(e.site for e in entries),
        "images_with_labels": sum(bool(e.label_file) for e in entries),
        "stored": {
            **({} if recipe.slices is None else {"slices": sum(e.shape[0] for e in entries)}),
            "shapes": _counts(" ".join(map(str, e.shape)) for e in entries),
            "spacing_mm": _spread([e.spacing for e in entries]),
        },
        "source": {
            "shape": _spread([e.source_shape for e in entries]),
            "spacing_mm": _spread([e.source_spacing for e in entries]),
            "region_shape": _spread([e.region_shape for e in entries]),
            "intensities": {
                name: _spread([getattr(e, name) for e in entries]) for name in ("low", "q01", "median", "q99", "high")
            },
        },
        "left_out": list(left_out),
    }


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _spread(values: Sequence[Any]) -> dict[str, Any]:
    """Least, middle and greatest, for each axis where there are three."""
    if not values:
        return {}
    array = np.array(values, dtype=np.float64)
    return {
        "least": array.min(axis=0).tolist(),
        "median": np.median(array, axis=0).tolist(),
        "greatest": array.max(axis=0).tolist(),
    }
