"""Two views of each image for dense contrastive pretraining (Basak et al., ICASSP 2023), with what tells negatives.

Positives are cells of the two views of one image; negatives are cells of other images. So each view carries the number
of its image, by which own cells are left out, and where its slice lies in the volume: slices at about the same relative
position show the same anatomy (Zeng et al., MICCAI 2021) and can be left out of the negatives. Slices of one volume are
kept apart in batches, as far as there are other volumes (ours). Only images of training patients are drawn; the views
of the validation are drawn once for the run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.samples import Samples
from medcl.data.task_options import DENSE_BATCH, TaskOptions
from medcl.data.two_views_task import TwoViewsTask


class DenseTask(TwoViewsTask):
    """Two views of each image, with what tells negatives.

    Targets, (M,) of the M views: "image" and "patient" are numbers that tell them apart, "position" is where a slice
    lies in its volume, from 0 to 1, and NaN (as far from all others as can be) of volumes.

    Raises:
        BadInput: fewer than two training images.
    """

    def __init__(self, samples: Samples, options: TaskOptions) -> None:
        super().__init__(samples, options, "dense", DENSE_BATCH)
        self.steps = math.ceil((options.dense_images or len(self.rows)) / self.batch_size)
        self._patients = samples.patient_codes()
        positions = samples.positions if samples.slices is not None else np.full(len(samples), np.nan)
        self._positions = positions.astype(np.float32)

    def _targets(self, twice: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        return {"image": twice, "patient": self._patients[twice], "position": self._positions[twice]}
