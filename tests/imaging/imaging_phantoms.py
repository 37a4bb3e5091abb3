"""Phantoms whose voxels tell where they lie, written with nibabel alone."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def random_affine(seed: int, tilt_degrees: float = 180.0) -> np.ndarray:
    """An oblique affine: permuted and flipped axes, any rotation, any spacing and origin."""
    rng = np.random.default_rng(seed)
    axes = np.eye(3)[:, rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)
    turn = Rotation.from_rotvec(np.radians(tilt_degrees) * rng.uniform(-1, 1, 3) / np.sqrt(3)).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes @ np.diag(rng.uniform(0.5, 4.0, 3))
    affine[:3, 3] = rng.uniform(-150, 150, 3)
    return affine


def positions(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """RAS mm of every voxel of an (x, y, z) array, (3, x, y, z)."""
    index = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)


def stored_positions(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """RAS mm of every voxel of a (z, y, x) array, (3, z, y, x)."""
    return positions(affine, shape[::-1]).transpose(0, 3, 2, 1)


def save(path: Path, voxels: np.ndarray, affine: np.ndarray, *, sform: int = 1, qform: int = 0) -> Path:
    """Write an (x, y, z) array as NIfTI."""
    image = nibabel.Nifti1Image(voxels, affine)
    image.set_sform(affine if sform else None, sform)
    image.set_qform(affine if qform else None, qform)
    image.to_filename(path)
    return path


def noise(path: Path, shape: tuple[int, ...] = (6, 5, 4), seed: int = 0, affine: np.ndarray = AFFINE) -> Path:
    """Write an (x, y, z) image of noise around 100."""
    return save(path, np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32), affine)


shapes = st.tuples(*[st.integers(2, 9)] * 3)
seeds = st.integers(0, 10**6)
