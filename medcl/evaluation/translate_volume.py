"""A whole volume through a generator of slices, with one look from its first slice to its last.

Instance norm brings every slice to statistics of its own, whatever its neighbours have, so that the same tissue can
come out brighter in one slice than in the next. With smoothing, a first pass notes what each norm measures of each
slice, and a second one uses these numbers smoothed along the slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medcl.study.errors import RunFailed

Floats = npt.NDArray[np.float32]
Moments = tuple[Tensor, Tensor]


@torch.inference_mode()
def translate_volume(network: nn.Module, volume: Floats, batch_size: int = 8, smooth: float = 0.0) -> Floats:
    """Translate every slice.

    Args:
        network: in evaluation mode; slices (B, 1, 1, Y, X) in [0, 1] to such slices.
        volume: (Z, Y, X) in [0, 1], slices in the order in which they lie.
        batch_size: slices at once; the result does not depend on it, but for the rounding of float32.
        smooth: standard deviation, in slices, of the Gaussian that instance norms' means and variances are smoothed
            by; 0 leaves each slice its own.

    Returns:
        (Z, Y, X) float32 in [0, 1].

    Raises:
        BadInput: the slices are too small for the network.
        RunFailed: translations that are not finite.
    """
    if network.training:
        raise ValueError("translate_volume needs a network in evaluation mode")
    slices = torch.from_numpy(np.ascontiguousarray(volume, np.float32))[:, None, None]  # (Z, 1, 1, Y, X)
    norms = [module for module in network.modules() if isinstance(module, nn.InstanceNorm2d)]
    if smooth > 0 and len(volume) > 1 and norms:
        noted = _noted(network, norms, slices, batch_size)
        used = [(_smoothed(means, smooth), _smoothed(variances, smooth)) for means, variances in noted]
        result = _translated(network, norms, used, slices, batch_size)
    else:
        result = torch.cat([network(part).float().cpu() for _, part in _parts(network, slices, batch_size)])
    if not torch.isfinite(result).all():
        raise RunFailed(
            "the translation is not finite: the run's training diverged (see its metrics.csv), or its weights are "
            "damaged."
        )
    return np.asarray(result[:, 0, 0].numpy(), np.float32)


def _parts(network: nn.Module, slices: Tensor, batch_size: int) -> Iterator[tuple[slice, Tensor]]:
    """Slices on the network's device, so many at a time, and which they are."""
    device = next((each.device for each in network.parameters()), torch.device("cpu"))
    for start in range(0, len(slices), batch_size):
        window = slice(start, start + batch_size)
        yield window, slices[window].to(device)


def _noted(network: nn.Module, norms: Sequence[nn.Module], slices: Tensor, batch_size: int) -> list[Moments]:
    """What every norm measures of every slice: means and variances, (Z, C) each."""
    found: list[list[Moments]] = [[] for _ in norms]

    def notes(place: int) -> Callable[..., None]:
        def note(norm: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            variance, mean = torch.var_mean(given[0].float(), dim=(2, 3), correction=0)
            found[place].append((mean, variance))

        return note

    with _hooked(norms, notes):
        for _, part in _parts(network, slices, batch_size):
            network(part)
    return [(torch.cat([mean for mean, _ in each]), torch.cat([var for _, var in each])) for each in found]


def _translated(
    network: nn.Module, norms: Sequence[nn.Module], used: Sequence[Moments], slices: Tensor, batch_size: int
) -> Tensor:
    """The translation with norms that use given means and variances (Z, C) in place of the slices' own."""
    now = slice(0)

    def uses(place: int) -> Callable[..., Tensor]:
        def use(norm: Any, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
            mean, variance = (each[now, :, None, None] for each in used[place])
            maps = (given[0].float() - mean) * torch.rsqrt(variance + norm.eps)
            if norm.affine:
                maps = maps * norm.weight[:, None, None] + norm.bias[:, None, None]
            return maps.to(out.dtype)

        return use

    done = []
    with _hooked(norms, uses):
        for window, part in _parts(network, slices, batch_size):
            now = window
            done.append(network(part).float().cpu())
    return torch.cat(done)


@contextmanager
def _hooked(norms: Sequence[nn.Module], hook: Callable[[int], Callable[..., Any]]) -> Iterator[None]:
    """Norms with a hook each, made from its place in the list; they are as before afterwards, whatever happens."""
    with ExitStack() as stack:
        for place, norm in enumerate(norms):
            stack.callback(norm.register_forward_hook(hook(place)).remove)
        yield


def _smoothed(values: Tensor, deviation: float) -> Tensor:
    """(Z, C) smoothed along Z; the first and the last slice count on beyond the ends."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(values.double().cpu().numpy(), deviation, axis=0, mode="nearest")
    return torch.from_numpy(smooth).to(values)
