"""Turning images to RAS+: voxels keep their places."""

from __future__ import annotations

import nibabel
import numpy as np
from hypothesis import given
from imaging_phantoms import QUICK, random_affine, seeds, shapes, stored_positions

from medcl.imaging.canonical import canonical


@QUICK
@given(shape=shapes, seed=seeds)
def test_every_voxel_keeps_its_place(shape: tuple[int, int, int], seed: int) -> None:
    affine = random_affine(seed)
    for axis, values in enumerate(stored_positions(affine, shape)):
        turned = canonical(values, affine)
        np.testing.assert_allclose(turned.voxels, stored_positions(turned.affine, turned.voxels.shape)[axis], atol=1e-9)
        assert nibabel.aff2axcodes(turned.affine) == ("R", "A", "S")
        assert np.shares_memory(turned.voxels, values)
