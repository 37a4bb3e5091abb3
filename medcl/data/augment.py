"""Augmentation of Milecki et al. (MIDL 2022): drawn by sample, applied by batch on the device.

Left-right flip (the x axis of RAS+, an array's last), rotation and scaling, blur and noise, in this order.
The probabilities are the paper's; degrees and scale the defaults of the library that its code calls; noise up
to 0.05, as in the code (the paper's 0.5 would drown intensities of [0, 1]).

What is drawn depends on (seed, epoch, key) only, never on the batch, its order or a rank, and stands in plain
tensors, so that it can be saved and looked at. Applying it is deterministic. Noise comes from the device's
generator: CPU and GPU give different noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.blur import blur
from medcl.data.keyed import keyed_generator
from medcl.data.to_device import to_device
from medcl.data.warp import rotation_and_scale, warp
from medcl.study.errors import BadInput

UNIFORMS = 14
"""Random numbers of a sample; always as many, so that one setting does not shift the draws of another."""

BLUR_CUT = 4.0
"""The blur's kernel is cut at so many of the largest standard deviation."""


LIMITS = {"rotation_degrees": 180.0, "scale": 0.9, "blur_sigma": 10.0, "noise_sd": 10.0}
"""Largest values that make sense; probabilities go up to 1."""


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image and how much; every draw is uniform.

    Attributes:
        flip_probability: of mirroring left and right.
        affine_probability: of rotating and scaling.
        rotation_degrees: largest angle about each of the three axes.
        scale: largest relative change of size along each axis, in [0, 1).
        isotropic_scale: one change of size for all axes.
        blur_probability: of blurring.
        blur_sigma: largest standard deviation along each axis, in voxels.
        noise_probability: of adding Gaussian noise.
        noise_sd: largest standard deviation of the noise, in units of the intensity range [0, 1].

    Raises:
        BadInput: naming every value that cannot be used.
    """

    flip_probability: float = 0.5
    affine_probability: float = 0.5
    rotation_degrees: float = 10.0
    scale: float = 0.1
    isotropic_scale: bool = False
    blur_probability: float = 1.0
    blur_sigma: float = 0.5
    noise_probability: float = 1.0
    noise_sd: float = 0.05

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1.0 if field.name.endswith("probability") else LIMITS.get(field.name, 1)
            if not 0 <= value <= most:
                problems.append(f"augmentation {field.name} is {value}; expected a number in [0, {most:g}].")
        if problems:
            raise BadInput(problems)

    @property
    def blur_radius(self) -> int:
        """Voxels to either side that the blur's kernel reaches."""
        return int(BLUR_CUT * self.blur_sigma + 0.5)


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

    def __len__(self) -> int:
        return len(self.flip)


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
    seeds = np.empty(len(keys), np.int64)
    for place, key in enumerate(keys.tolist()):
        generator = keyed_generator(seed, "augmentation", epoch, key)
        uniform[place] = generator.random(UNIFORMS)
        seeds[place] = generator.integers(0, 2**62)
    affine = uniform[:, 1] < settings.affine_probability
    around = 2 * uniform[:, 4:10] - 1
    scale = np.repeat(around[:, 3:4], 3, axis=1) if settings.isotropic_scale else around[:, 3:6]
    blurred = uniform[:, 2] < settings.blur_probability
    noisy = uniform[:, 3] < settings.noise_probability
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
    )


def apply(volumes: Tensor, draws: Draws) -> Tensor:
    """Return the volumes (M, 1, D, H, W) as the draws say; what comes in is left as it is.

    Args:
        volumes: on any device, float32 or float64, background 0.
        draws: of these M samples.
    """
    with torch.no_grad(), torch.autocast(device_type=volumes.device.type, enabled=False):
        volumes = _flip_and_warp(volumes, draws)
        if bool((draws.sigmas > 0).any()):
            volumes = blur(volumes, draws.sigmas, draws.blur_radius)
        return _add_noise(volumes, draws)


def _flip_and_warp(volumes: Tensor, draws: Draws) -> Tensor:
    """Return a new tensor with flips, and with flip and affine in one interpolation where both happen."""
    moved = volumes.clone(memory_format=torch.contiguous_format)
    only_flip = torch.nonzero(draws.flip & ~draws.affine).flatten()
    if len(only_flip):
        where = to_device(only_flip, volumes.device)
        moved[where] = volumes[where].flip(-1)
    affine = torch.nonzero(draws.affine).flatten()
    if len(affine):
        mirror = torch.ones(len(affine), 3, dtype=torch.float64)
        mirror[draws.flip[affine], 0] = -1
        matrices = rotation_and_scale(draws.degrees[affine], draws.scales[affine], flat=volumes.shape[2] == 1)
        matrices = matrices @ torch.diag_embed(mirror)  # mirrored first
        where = to_device(affine, volumes.device)
        moved[where] = warp(volumes[where], matrices, draws.spacing[affine])
    return moved


def _add_noise(volumes: Tensor, draws: Draws) -> Tensor:
    """Add each sample's noise in place."""
    generator = torch.Generator(volumes.device)
    noise = torch.empty_like(volumes[:1])
    for place, (spread, seed) in enumerate(zip(draws.noise.tolist(), draws.noise_seed.tolist(), strict=True)):
        if spread > 0:
            generator.manual_seed(seed)
            volumes[place : place + 1].add_(noise.normal_(generator=generator), alpha=spread)
    return volumes
