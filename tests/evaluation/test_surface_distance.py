"""Surface distances against hand cases and against MONAI."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.surface_distance import SurfaceDistances, surface, surface_distances

SPACING = (5.0, 2.0, 0.7)


def plane(axis: int, place: int, shape: tuple[int, int, int] = (9, 10, 11)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[(slice(None),) * axis + (place,)] = True
    return mask


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [-3, 0, 4])
def test_a_plane_shifted_by_d_voxels_of_spacing_s(axis: int, shift: int) -> None:
    found = surface_distances(plane(axis, 4), plane(axis, 4 + shift), SPACING)
    wanted = pytest.approx(abs(SPACING[axis] * shift))
    assert found.average == wanted
    assert found.hausdorff() == wanted
    assert found.hausdorff(95) == wanted


def test_the_two_directions_are_told_apart() -> None:
    """The truth is one voxel, the prediction that one and another 3 mm away: only the prediction has an error."""
    truth = np.zeros((3, 3, 8), bool)
    truth[1, 1, 1] = True
    prediction = truth.copy()
    prediction[1, 1, 4] = True
    found = surface_distances(truth, prediction, (1, 1, 1))
    assert found.truth_to_prediction.tolist() == [0]
    assert sorted(found.prediction_to_truth.tolist()) == [0, 3]
    assert found.average == 1  # (0 + 0 + 3) / 3 voxels
    assert found.hausdorff() == 3
    assert found.hausdorff(95) == pytest.approx(0.95 * 3)


def test_the_surface_of_a_cube_is_hollow_and_the_images_edge_is_outside() -> None:
    mask = np.zeros((5, 5, 5), bool)
    mask[1:4, 1:4, 1:4] = True
    hollow = mask.copy()
    hollow[2, 2, 2] = False
    assert (surface(mask) == hollow).all()
    full = np.ones((3, 3, 3), bool)
    assert surface(full).sum() == 26


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_has_an_outline_whatever_axis_is_flat(axis: int) -> None:
    mask = np.ones((4, 4), bool)
    assert surface(np.expand_dims(mask, axis)).sum() == 12  # in 3D every voxel of it would be surface
    assert surface(np.stack([mask, mask], axis)).sum() == 32


def test_monai_finds_the_same() -> None:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(2, 10, 30, 28))
    truth, prediction = (gaussian_filter(each, 2) > 0.02 for each in noise)
    found = surface_distances(truth, prediction, SPACING)
    masks = [torch.tensor(each)[None, None] for each in (prediction, truth)]
    told = {"include_background": True, "spacing": SPACING}

    def close(mine: float, theirs: torch.Tensor) -> None:
        assert mine == pytest.approx(theirs.item(), rel=1e-5)

    close(found.hausdorff(), compute_hausdorff_distance(*masks, **told))
    close(found.hausdorff(95), compute_hausdorff_distance(*masks, percentile=95, **told))
    close(found.average, compute_average_surface_distance(*masks, symmetric=True, **told))
    close(found.prediction_to_truth.mean(), compute_average_surface_distance(*masks, **told))
    close(found.truth_to_prediction.mean(), compute_average_surface_distance(*masks[::-1], **told))


def test_the_greater_direction_counts() -> None:
    found = SurfaceDistances(np.array([1.0, 1.0]), np.array([0.0, 4.0]))
    assert found.hausdorff() == 4
    assert found.average == 1.5
    assert SurfaceDistances(np.array([0.0, 4.0]), np.array([1.0, 1.0])).hausdorff() == 4
