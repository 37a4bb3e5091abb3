"""Two views of each image, for the SimCLR baseline of Milecki et al. (MIDL 2022): batches of 48 images.

An epoch draws as many images as the pair tasks draw pairs, so that both make the same number of encoder
passes (ours; the paper does not tell). Validation views are drawn once for the run.

Of slices, each is an image of its own. Slices of one image repel each other where they meet in a batch, although they
are much alike, so they are kept apart as far as there are other images (ours).
"""

from __future__ import annotations

import numpy as np

from medcl.data.samples import Samples
from medcl.data.task_options import PAPER_BATCH, TaskOptions
from medcl.data.two_views_task import TwoViewsTask


class SimclrTask(TwoViewsTask):
    """Two views of each image.

    Raises:
        BadInput: fewer than two training images.
    """

    def __init__(self, samples: Samples, options: TaskOptions) -> None:
        super().__init__(samples, options, "simclr", PAPER_BATCH)
        self.steps = max(1, round(options.pairs / self.batch_size))

    def _own_notes(self) -> list[str]:
        if self.images is None or (there := len(np.unique(self.images[self.rows]))) >= self.batch_size:
            return []
        return [
            f"a step takes {self.batch_size} slices of {there} images: slices of one image repel each other. Lower "
            "--batch-size if that is not wanted"
        ]
