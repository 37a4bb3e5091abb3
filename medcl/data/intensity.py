"""Changes of the intensities of a batch, one a sample: gamma, contrast, brightness."""

from __future__ import annotations

from torch import Tensor

from medcl.data.some_samples import change_some

SPATIAL = (1, 2, 3, 4)


def change_intensities(volumes: Tensor, gammas: Tensor, contrasts: Tensor, brightness: Tensor) -> Tensor:
    """Change volumes (M, 1, D, H, W) in place and return them; what comes out may leave [0, 1].

    Args:
        volumes: float32 or float64, meant to lie in [0, 1].
        gammas: (M,) powers on the CPU; 1 leaves a sample as it is, for others what is below 0 becomes 0.
        contrasts: (M,) factors of the distance from the sample's mean; 1 leaves it as it is.
        brightness: (M,) numbers that are added; 0 leaves it as it is.
    """
    change_some(volumes, _column(gammas), gammas != 1, lambda those, power: those.clamp_(min=0).pow_(power))
    change_some(volumes, _column(contrasts), contrasts != 1, _stretch)
    change_some(volumes, _column(brightness), brightness != 0, lambda those, more: those.add_(more))
    return volumes


def _stretch(volumes: Tensor, factor: Tensor) -> Tensor:
    mean = volumes.mean(dim=SPATIAL, keepdim=True)
    return volumes.sub_(mean).mul_(factor).add_(mean)


def _column(amounts: Tensor) -> Tensor:
    """(M, 1, 1, 1, 1): one number for all voxels of a sample."""
    return amounts.view(-1, 1, 1, 1, 1)
