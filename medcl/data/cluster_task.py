"""Two views of each image for contrastive clustering (Ferrante et al., 2023): each training image once an epoch.

The last batch of an epoch is filled with images of a new random order, so that all batches are of one size and the loss
has as many negatives in each. Prototypes are sought among the images as they are stored: `overview` plans those.
"""

from __future__ import annotations

import math

import numpy as np

from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.task_options import CLUSTER_BATCH, TaskOptions
from medcl.data.two_views_task import TwoViewsTask


class ClusterTask(TwoViewsTask):
    """Two views of each image, and every image as it is stored.

    Raises:
        BadInput: fewer than two training images.
    """

    def __init__(self, samples: Samples, options: TaskOptions) -> None:
        super().__init__(samples, options, "cluster", CLUSTER_BATCH, asked="`medcl cluster train`")
        self.steps = math.ceil(len(self.rows) / self.batch_size)

    def overview(self) -> list[BatchPlan]:
        """Return batches of all training images, each once, in the order of their rows and not augmented."""
        firsts = range(0, len(self.rows), self.batch_size)
        return [
            BatchPlan(rows, np.arange(first, first + len(rows)), augment="none")
            for first in firsts
            for rows in [self.rows[first : first + self.batch_size]]
        ]
