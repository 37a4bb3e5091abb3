"""Bidirectional copy-paste of labelled and unlabelled images (Bai et al., CVPR 2023), an improvement on IDEAL.

From a labelled and an unlabelled image two are made: a random box of the one stands in the other, and the reverse.
What is learned of unlabelled voxels is thereby learned beside true ones. The box has two thirds of each side (the
paper's beta); images of one slice keep their slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.keyed import keyed_generator
from medcl.data.to_device import to_device

BOX_SHARE = 2 / 3
"""Side of the box, as a share of the image's."""

PURPOSE = "copy-paste"


@dataclass(frozen=True)
class Mixed:
    """Mixed images, those with a labelled background first.

    Attributes:
        volumes: (2P, C, D, H, W).
        truth: (2P, D, H, W) whether a voxel came from a labelled image.
        labelled, unlabelled: (2P,) rows that each mixed image was made of, in the given tensors.
    """

    volumes: Tensor
    truth: Tensor
    labelled: Tensor
    unlabelled: Tensor

    def join(self, of_labelled: Tensor, of_unlabelled: Tensor) -> Tensor:
        """Return (2P, D, H, W): at each voxel the class of the image that it came from.

        Args:
            of_labelled: (L, D, H, W), the truth.
            of_unlabelled: (U, D, H, W), what is believed of the others.
        """
        return torch.where(self.truth, of_labelled[self.labelled], of_unlabelled[self.unlabelled])


def copy_paste(labelled: Tensor, unlabelled: Tensor, keys: NDArray[np.int64], seed: int, step: int) -> Mixed:
    """Mix each unlabelled image with a labelled one, both ways.

    Args:
        labelled: (L, C, D, H, W), at least one.
        unlabelled: (U, C, D, H, W).
        keys: (U,) a number for each unlabelled image, different within a step.
        seed: of the run.
        step: of the run; with the key it settles the box and the partner.
    """
    size = labelled.shape[2:]
    boxes = torch.zeros(len(unlabelled), *size, dtype=torch.bool)
    partners = torch.empty(len(unlabelled), dtype=torch.long)
    for place, key in enumerate(keys.tolist()):
        generator = keyed_generator(seed, PURPOSE, step, key)
        partners[place] = int(generator.integers(len(labelled)))
        sides = [n if n == 1 else max(1, round(BOX_SHARE * n)) for n in size]
        first = [int(generator.integers(n - side + 1)) for n, side in zip(size, sides, strict=True)]
        z, y, x = (slice(at, at + side) for at, side in zip(first, sides, strict=True))
        boxes[place, z, y, x] = True
    boxes, partners = to_device(boxes, labelled.device), to_device(partners, labelled.device)
    own = torch.arange(len(unlabelled), device=labelled.device)
    truth = torch.cat([~boxes, boxes])  # a box of the unlabelled in the labelled image, then the reverse
    partners, own = partners.repeat(2), own.repeat(2)
    volumes = torch.where(truth[:, None], labelled[partners], unlabelled[own])
    return Mixed(volumes, truth, partners, own)
