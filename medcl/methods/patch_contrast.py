"""The contrast of images and what the generator made of them, over all taps (Park et al., ECCV 2020).

Queries are patches of the made images and keys those of the given ones, at the same positions, both from the encoder
half of the one generator. The paper's code draws positions from the process's random state; here they belong to the
image, so that neither its batch nor the number of processes changes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from medcl.data.keyed import keyed_generator
from medcl.data.to_device import to_device
from medcl.losses.patch_nce import patch_nce
from medcl.methods.translation_options import TranslationOptions
from medcl.networks.patch_positions import draw_positions, labels_at
from medcl.networks.patch_projection import PatchProjection

PURPOSE = "patch positions"


class PatchContrast(NamedTuple):
    """Of each image; only `loss` carries a gradient.

    Attributes:
        loss: (B,), the mean over the taps, or their sum where the options say so.
        of_chance: (B,), the mean over the taps of the mean loss of a position divided by ln P, which is what it costs
            when all patches look alike.
    """

    loss: Tensor
    of_chance: Tensor


def patch_contrast(
    made: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    positions: Mapping[str, Tensor],
    projection: PatchProjection,
    options: TranslationOptions,
    labels: Tensor | None = None,
) -> PatchContrast:
    """Return the loss of each image, in float32 or better.

    Args:
        made: maps of the made images, (B, C, h, w) by the taps' names.
        given: of the given images; they get no gradient, nor does the projection through them.
        positions: (B, P) of each tap.
        projection: of both.
        options: taps, temperature, reduction.
        labels: (B, 1, 1, H, W) of the images, `UNLABELLED` where there is none: patches of one organ are no negatives
            of each other. None: all others are.
    """
    queries = projection(made, positions)
    with torch.no_grad():
        keys = projection(given, positions)
    means, counts = [], []
    for name in options.taps:
        organs = None if labels is None else labels_at(name, positions[name], labels)
        means.append(patch_nce(queries[name], keys[name], options.temperature, organs))
        counts.append(positions[name].shape[1])
    chance = torch.stack([mean.detach() / math.log(count) for mean, count in zip(means, counts, strict=True)])
    if options.reduction == "sum":
        loss = torch.stack([mean * count for mean, count in zip(means, counts, strict=True)]).sum(dim=0)
    else:
        loss = torch.stack(means).mean(dim=0)
    return PatchContrast(loss, chance.mean(dim=0))


def positions_of(
    keys: Sequence[int], size: Sequence[int], step: int, options: TranslationOptions, device: torch.device
) -> dict[str, Tensor]:
    """Return each tap's positions (B, P) on the device, which depend on seed, step and key alone.

    Args:
        keys: one number an image, different within a step.
        size: (H, W) of the slices in pixels.
        step: of the run, from 0; negative for positions that are the same through the whole run.
        options: taps, number and seed.
        device: of the maps.
    """
    generators = [keyed_generator(options.seed, PURPOSE, step, key) for key in keys]
    found = {name: draw_positions(name, size, generators, options.patches) for name in options.taps}
    return {name: to_device(each, device) for name, each in found.items()}
