"""Rotation and scaling against SciPy, in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from medcl.data import warp as warp_file
from medcl.data.warp import rotation_and_scale, warp


def scipy_warp(volume: np.ndarray, matrix_xyz: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The same in SciPy: offsets in (z, y, x) voxels, to mm, back through the matrix, to voxels."""
    reverse = np.eye(3)[::-1]
    matrix = reverse @ matrix_xyz @ reverse  # (z, y, x)
    to_mm = np.diag(spacing)
    back = np.linalg.inv(to_mm) @ np.linalg.inv(matrix) @ to_mm
    centre = (np.array(volume.shape) - 1) / 2
    return affine_transform(volume, back, offset=centre - back @ centre, order=1, mode="grid-constant", cval=0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 1.2)])
@pytest.mark.parametrize("size", [(8, 14, 11), (9, 16, 16), (1, 12, 15)])
def test_agrees_with_scipy(spacing: tuple[float, float, float], size: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(0)
    volume = generator.random(size).astype(np.float32)
    degrees, scales = generator.uniform(-10, 10, (1, 3)), generator.uniform(0.9, 1.1, (1, 3))
    matrix = rotation_and_scale(torch.from_numpy(degrees), torch.from_numpy(scales), flat=size[0] == 1)
    warped = warp(torch.from_numpy(volume)[None, None], matrix, torch.tensor([spacing]))
    np.testing.assert_allclose(warped[0, 0], scipy_warp(volume, matrix[0].numpy(), spacing), atol=1e-5)


def test_rotations_are_right_handed_in_the_named_order() -> None:
    degrees = torch.tensor([[10.0, -20.0, 30.0]])
    expected = Rotation.from_euler("xyz", degrees[0].numpy(), degrees=True).as_matrix()  # fixed axes, x first
    matrix = rotation_and_scale(degrees, torch.ones(1, 3), flat=False)
    np.testing.assert_allclose(matrix[0], expected, atol=1e-7)
    scaled = rotation_and_scale(degrees, torch.tensor([[1.1, 0.9, 1.0]]), flat=False)
    np.testing.assert_allclose(scaled[0], expected @ np.diag([1.1, 0.9, 1.0]), atol=1e-6)


def test_lengths_in_mm_survive_a_rotation_of_flat_voxels() -> None:
    """A ball in mm stays a ball when voxels are 4 x 1 x 1 mm; in an array's rotation it would not."""
    z, y, x = np.meshgrid((np.arange(24) - 11.5) * 4, np.arange(96) - 47.5, np.arange(96) - 47.5, indexing="ij")
    ball = torch.from_numpy((z**2 + y**2 + x**2 < 35**2).astype(np.float32))[None, None]
    matrix = rotation_and_scale(torch.tensor([[40.0, 0.0, 0.0]]), torch.ones(1, 3), flat=False)
    turned = warp(ball, matrix, torch.tensor([[4.0, 1.0, 1.0]]))
    as_cubes = warp(ball, matrix, torch.ones(1, 3))
    assert (as_cubes - ball).abs().mean() > 4 * (turned - ball).abs().mean()


def test_a_quarter_turn_moves_x_to_y() -> None:
    volume = torch.zeros(1, 1, 1, 5, 5)
    volume[0, 0, 0, 2, 4] = 1  # at +x
    matrix = rotation_and_scale(torch.tensor([[0.0, 0.0, 90.0]]), torch.ones(1, 3), flat=True)
    turned = warp(volume, matrix, torch.ones(1, 3))
    assert turned[0, 0, 0, 4, 2].item() == pytest.approx(1, abs=1e-6)  # at +y


def test_a_larger_scale_enlarges() -> None:
    volume = torch.zeros(1, 1, 1, 9, 9)
    volume[0, 0, 0, 4, 6] = 1
    matrix = rotation_and_scale(torch.zeros(1, 3), torch.tensor([[1.5, 1.0, 1.0]]), flat=True)
    assert warp(volume, matrix, torch.ones(1, 3))[0, 0, 0, 4].argmax() == 7


def test_one_slice_is_never_tilted() -> None:
    matrix = rotation_and_scale(torch.tensor([[10.0, 10.0, 0.0]]), torch.tensor([[1.0, 1.0, 1.1]]), flat=True)
    torch.testing.assert_close(matrix, torch.eye(3, dtype=torch.float64)[None])


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    volumes, degrees = torch.rand(5, 1, 4, 6, 8), torch.rand(5, 3) * 20
    matrices = rotation_and_scale(degrees, torch.ones(5, 3), flat=False)
    expected = warp(volumes, matrices, torch.ones(5, 3))
    monkeypatch.setattr(warp_file, "CHUNK_VOXELS", 2 * 4 * 6 * 8)
    assert torch.equal(warp(volumes, matrices, torch.ones(5, 3)), expected)
