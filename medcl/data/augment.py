"""Augmentation: drawn by sample, applied by batch on the device.

Crop, left-right flip (the x axis of RAS+, an array's last), rotation, scaling and elastic deformation in one
interpolation; then an intensity curve, blur, sharpness, gamma, contrast, brightness and noise, in this order. What may
happen stands in `data/augmentation.py`; without more said, it is the augmentation of Milecki et al. (MIDL 2022).

What is drawn depends on (seed, epoch, key) only, never on the batch, its order or a rank, and stands in plain
tensors, so that it can be saved and looked at. Applying it is deterministic. Noise comes from the device's
generator: CPU and GPU give different noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.augmentation import Augmentation as Augmentation
from medcl.data.blur import blur
from medcl.data.elastic import POINTS
from medcl.data.intensity import change_intensities
from medcl.data.intensity_curve import drawn_curves, through_curves
from medcl.data.keyed import keyed_generator
from medcl.data.sharpness import sharpen
from medcl.data.to_device import to_device
from medcl.data.views import view_matrices
from medcl.data.warp import resample

UNIFORMS = 14
"""Random numbers of a sample; always as many, so that one setting does not shift the draws of another."""

MORE_UNIFORMS = 11
"""Those that came later (crop, intensities, whether to crop), drawn after all others: what was drawn before stays the
same."""

SHARPNESS = slice(0, 2)
ELASTIC = slice(2, 3 + 2 * POINTS**2)
CURVE = slice(ELASTIC.stop, ELASTIC.stop + 6)
LAST_UNIFORMS = CURVE.stop
"""Those that came last, and whose they are: whether, then what. New ones follow them."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What happens to each of M samples; all on the CPU.

    Attributes:
        flip, affine: (M,) whether.
        degrees: (M, 3) about x, y, z; 0 where `affine` is not.
        scales: (M, 3) along x, y, z; 1 where `affine` is not.
        spacing: (M, 3) of the voxels, (z, y, x) in mm.
        sigmas: (M, 3) of the blur along z, y, x, in voxels.
        noise: (M,) standard deviations.
        noise_seed: (M,) seeds of each sample's noise.
        blur_radius: voxels that the blur reaches.
        sides: (M,) of the box that is cut out, as parts of the image's; 1 is all of it.
        centres: (M, 3) of that box along x, y, z, in half widths of the image from its centre.
        gammas, contrasts: (M,) power and factor; 1 is no change.
        brightness: (M,) what is added.
        sharpness: (M, 1) amount of detail that is added; 0 is none.
        points: (M, 2, POINTS, POINTS) control points of the elastic field, along y and x in voxels of the stored image;
            0 is no deformation.
        curves: (M, 4, 2) as of `through_curves`.

    The last three have 0 columns, (M, 0, ...), where the settings do not ask for them.
    """

    flip: Tensor
    affine: Tensor
    degrees: Tensor
    scales: Tensor
    spacing: Tensor
    sigmas: Tensor
    noise: Tensor
    noise_seed: Tensor
    blur_radius: int
    sides: Tensor
    centres: Tensor
    gammas: Tensor
    contrasts: Tensor
    brightness: Tensor
    sharpness: Tensor
    points: Tensor
    curves: Tensor

    def __len__(self) -> int:
        return len(self.flip)

    @property
    def cut(self) -> Tensor:
        """(M,) whether less than the whole image is shown."""
        return self.sides < 1

    @property
    def bent(self) -> Tensor:
        """(M,) whether there is an elastic deformation."""
        return (self.points != 0).flatten(1).any(dim=1)


def draw(
    seed: int,
    epoch: int,
    keys: NDArray[np.int64],
    settings: Augmentation,
    spacing: NDArray[np.float64] | None = None,
) -> Draws:
    """Draw what happens to the samples `keys`.

    Args:
        seed: the run's.
        epoch: from 0; negative for views that are fixed for the run.
        keys: (M,) one number a sample, different within an epoch.
        settings: what may happen.
        spacing: (M, 3) of the samples' voxels, (z, y, x) in mm; None for cubes.
    """
    uniform = np.empty((len(keys), UNIFORMS))
    more = np.empty((len(keys), MORE_UNIFORMS))
    last = np.empty((len(keys), LAST_UNIFORMS))
    seeds = np.empty(len(keys), np.int64)
    for place, key in enumerate(keys.tolist()):
        generator = keyed_generator(seed, "augmentation", epoch, key)
        uniform[place] = generator.random(UNIFORMS)
        seeds[place] = generator.integers(0, 2**62)
        more[place] = generator.random(MORE_UNIFORMS)
        last[place] = generator.random(LAST_UNIFORMS)
    affine = uniform[:, 1] < settings.affine_probability
    around = 2 * uniform[:, 4:10] - 1
    scale = np.repeat(around[:, 3:4], 3, axis=1) if settings.isotropic_scale else around[:, 3:6]
    blurred = uniform[:, 2] < settings.blur_probability
    noisy = uniform[:, 3] < settings.noise_probability
    smallest, largest = settings.crop or (1.0, 1.0)
    cropped = more[:, 10] < settings.crop_probability
    sides = np.where(cropped, smallest + (largest - smallest) * more[:, 0], 1.0)
    to_power = more[:, 4] < settings.gamma_probability
    stretched = more[:, 5] < settings.contrast_probability
    lightened = more[:, 6] < settings.brightness_probability
    change = 2 * more[:, 7:10] - 1
    sharpness = _around_0(last[:, SHARPNESS], settings.sharpness_probability, settings.sharpness)
    points = _around_0(last[:, ELASTIC], settings.elastic_probability, settings.elastic)
    curves = drawn_curves(last[:, CURVE], settings.curve_probability)
    return Draws(
        flip=torch.from_numpy(uniform[:, 0] < settings.flip_probability),
        affine=torch.from_numpy(affine),
        degrees=torch.from_numpy(affine[:, None] * around[:, :3] * settings.rotation_degrees),
        scales=torch.from_numpy(1 + affine[:, None] * scale * settings.scale),
        spacing=torch.ones(len(keys), 3) if spacing is None else torch.from_numpy(spacing),
        sigmas=torch.from_numpy(blurred[:, None] * uniform[:, 10:13] * settings.blur_sigma),
        noise=torch.from_numpy(noisy * uniform[:, 13] * settings.noise_sd),
        noise_seed=torch.from_numpy(seeds),
        blur_radius=settings.blur_radius,
        sides=torch.from_numpy(sides),
        centres=torch.from_numpy((1 - sides[:, None]) * (2 * more[:, 1:4] - 1)),
        gammas=torch.from_numpy(np.exp(to_power * change[:, 0] * settings.gamma)),
        contrasts=torch.from_numpy(1 + stretched * change[:, 1] * settings.contrast),
        brightness=torch.from_numpy(lightened * change[:, 2] * settings.brightness),
        sharpness=_asked_for(sharpness, settings.sharpness > 0),
        points=_asked_for(points.view(-1, 2, POINTS, POINTS), settings.elastic > 0),
        curves=_asked_for(curves, settings.curve_probability > 0),
    )


def _around_0(uniform: NDArray[np.float64], probability: float, largest: float) -> Tensor:
    """(M, N) numbers in [-largest, largest), from M rows of N + 1 random ones, the first of which tells whether."""
    happens = uniform[:, :1] < probability
    return torch.from_numpy(happens * (2 * uniform[:, 1:] - 1) * largest)


def _asked_for(drawn: Tensor, asked: bool) -> Tensor:
    return drawn if asked else drawn[:, :0]


def apply(volumes: Tensor, draws: Draws) -> Tensor:
    """Return the volumes (M, 1, D, H, W) as the draws say; what comes in is left as it is.

    Args:
        volumes: on any device, float32 or float64, background 0.
        draws: of these M samples.
    """
    return apply_with_labels(volumes, None, draws)[0]


def apply_with_labels(volumes: Tensor, labels: Tensor | None, draws: Draws) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return the volumes and their labels in the same views, and the views' maps to the stored image.

    Args:
        volumes: (M, 1, D, H, W) on any device, float32 or float64, background 0.
        labels: of the same shape, whole numbers up to 255, background 0: the nearest one is taken. None without.
        draws: of these M samples.

    Returns:
        The volumes, the labels, and (M, 3, 4) as `view_matrices` gives them. Those are the affine part alone: where
        `draws.bent`, a view's voxel shows a place that lies up to the field's displacement beside the one they tell.
    """
    with torch.no_grad(), torch.autocast(device_type=volumes.device.type, enabled=False):
        theta = view_matrices(draws, (volumes.shape[2], volumes.shape[3], volumes.shape[4]))
        volumes, labels = _move(volumes, labels, draws, theta)
        if draws.curves.numel():
            volumes = through_curves(volumes, draws.curves)
        if bool((draws.sigmas > 0).any()):
            volumes = blur(volumes, draws.sigmas, draws.blur_radius)
        if draws.sharpness.numel():
            volumes = sharpen(volumes, draws.sharpness[:, 0])
        volumes = change_intensities(volumes, draws.gammas, draws.contrasts, draws.brightness)
        return _add_noise(volumes, draws), labels, theta


def _move(volumes: Tensor, labels: Tensor | None, draws: Draws, theta: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return new tensors, each sample interpolated once at most; a mirrored one keeps its voxels as they are."""
    interpolated = draws.affine | draws.cut | draws.bent
    points = draws.points if bool(draws.bent.any()) else None
    if bool(interpolated.all()):
        return resample(volumes, theta, labels, points)
    moved = volumes.clone(memory_format=torch.contiguous_format)
    moved_labels = None if labels is None else labels.clone()
    only_flip = torch.nonzero(draws.flip & ~interpolated).flatten()
    if len(only_flip):
        where = to_device(only_flip, volumes.device)
        moved[where] = volumes[where].flip(-1)
        if labels is not None and moved_labels is not None:
            moved_labels[where] = labels[where].flip(-1)
    rest = torch.nonzero(interpolated).flatten()
    if len(rest):
        where = to_device(rest, volumes.device)
        moved[where], found = resample(
            volumes[where],
            theta[rest],
            None if labels is None else labels[where],
            None if points is None else points[rest],
        )
        if moved_labels is not None and found is not None:
            moved_labels[where] = found
    return moved, moved_labels


def _add_noise(volumes: Tensor, draws: Draws) -> Tensor:
    """Add each sample's noise in place."""
    generator = torch.Generator(volumes.device)
    noise = torch.empty_like(volumes[:1])
    for place, (spread, seed) in enumerate(zip(draws.noise.tolist(), draws.noise_seed.tolist(), strict=True)):
        if spread > 0:
            generator.manual_seed(seed)
            volumes[place : place + 1].add_(noise.normal_(generator=generator), alpha=spread)
    return volumes
