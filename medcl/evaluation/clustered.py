"""The rows of a clustering run that are evaluated with labels, and what has to be true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import Labels, text_labels
from medcl.study.errors import BadInput

TRAINING = "train"


@dataclass(frozen=True, eq=False)
class Clustered:
    """N rows of one run.

    Attributes:
        h: (N, F) of the encoder.
        z: (N, E) of the projection.
        clusters: (N,) in 0 ... count - 1.
        count: K.
        labels: (N,) classes; None, NaN or "" where a row has none.
        patients, splits: (N,).
        soft: (N, K) soft assignment; without it AUCs of the map from clusters are of the hard one.
        pixels: (N, P) images as rows; without them the only baseline is the majority class.
    """

    h: npt.NDArray[Any]
    z: npt.NDArray[Any]
    clusters: npt.NDArray[Any]
    count: int
    labels: Sequence[object] | npt.NDArray[Any]
    patients: Sequence[str] | npt.NDArray[Any]
    splits: Sequence[str] | npt.NDArray[Any]
    soft: npt.NDArray[Any] | None = None
    pixels: npt.NDArray[Any] | None = None

    def checked(self, held_out: Sequence[str]) -> tuple[Labels, Labels]:
        """Labels (N,) as text, "" where there is none, and splits (N,).

        Raises:
            BadInput: arrays of other lengths, features or pixels that are not finite, patients on both sides, no
                labelled row on one side, or one class only in training.
        """
        _require_shapes(self)
        labels, splits = text_labels(self.labels), np.asarray(self.splits, dtype=np.str_)
        people = np.asarray(self.patients, dtype=np.str_)
        outside = np.isin(splits, held_out)
        if both := sorted(set(people[splits == TRAINING]) & set(people[outside])):
            raise BadInput(
                f"{len(both)} patients stand in the training and in the held-out rows (such as {', '.join(both[:5])}): "
                "no score of theirs can be trusted; make the split by patient again."
            )
        for name, mask in ((TRAINING, splits == TRAINING), (" or ".join(held_out), outside)):
            if not (mask & (labels != "")).any():
                raise BadInput(
                    f"no row of the split {name} has a label ({int(mask.sum())} rows stand in it): an evaluation with "
                    "labels needs some in training and some outside."
                )
        known = set(labels[(splits == TRAINING) & (labels != "")].tolist())
        if len(known) < 2:
            raise BadInput(
                f"all labelled training rows have the class '{known.pop()}': an evaluation with labels needs 2 or more "
                "classes there."
            )
        return labels, splits


def _require_shapes(run: Clustered) -> None:
    count = len(run.h)
    given = {
        "z": run.z,
        "clusters": run.clusters,
        "labels": run.labels,
        "patients": run.patients,
        "splits": run.splits,
        "soft assignment": run.soft,
        "pixels": run.pixels,
    }
    if wrong := [f"{name} {len(rows)}" for name, rows in given.items() if rows is not None and len(rows) != count]:
        raise BadInput(
            f"the run has {count} rows, but other numbers were given: {', '.join(wrong)}. Labels and all the rest need "
            "one entry for each image, in the order of the images."
        )
    if run.soft is not None and run.soft.shape != (count, run.count):
        raise BadInput(
            f"the soft assignment is of {run.soft.shape}, expected {(count, run.count)}: a column a cluster."
        )
    for name, values in (("h", run.h), ("z", run.z), ("pixels", run.pixels)):
        if values is not None and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise BadInput(
                f"{name} of row {row} (patient {run.patients[row]}) is not finite: the training diverged, or the image "
                "is damaged."
            )
