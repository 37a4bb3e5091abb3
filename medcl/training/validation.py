"""The validation of an epoch: fixed batches, no augmentation, and nothing left changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from medcl.study.errors import RunFailed
from medcl.training.finite import not_finite
from medcl.training.method import Method
from medcl.training.precision import Precision
from medcl.training.randomness import untouched_randomness
from medcl.training.source import Source

WEIGHT = "weight"
"""Key of a batch's validation results under which the number of its terms stands."""


def run_validation(
    method: Method, source: Source, plans: Sequence[Any], precision: Precision, device: torch.device, epoch: int
) -> dict[str, float] | None:
    """Return the mean losses over the validation plans, weighted by each batch's "weight"; None without plans.

    A value other than the loss may be NaN in batches that do not have it (a mean over pairs of which there are none);
    it is then the mean over the others.

    No generator's state changes, whatever the method draws, so that runs with and without validation train alike;
    the method is back in training mode afterwards.

    Raises:
        RunFailed: a batch's loss is not finite, naming its cases.
    """
    if not plans:
        return None
    results: list[dict[str, Tensor]] = []
    cases: list[Sequence[str]] = []
    method.eval()
    try:
        with untouched_randomness(device), torch.no_grad():
            for batch in source.batches(plans, 0, augment=False):
                with precision.autocast():
                    results.append({name: value.detach() for name, value in method.validate(batch).items()})
                cases.append(batch.cases)
    finally:
        method.train()
    _refuse_not_finite(results, cases, epoch)
    return _weighted_means(results)


def _weighted_means(results: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    weights = [float(result[WEIGHT]) for result in results]
    means = {}
    for name in dict.fromkeys(name for result in results for name in result if name != WEIGHT):
        values = [float(result.get(name, math.nan)) for result in results]
        there = [(w, value) for w, value in zip(weights, values, strict=True) if not math.isnan(value)]
        total = math.fsum(w for w, _ in there)
        if total:
            means[name] = math.fsum(w * value for w, value in there) / total
    return means


def _refuse_not_finite(results: Sequence[dict[str, Tensor]], cases: Sequence[Sequence[str]], epoch: int) -> None:
    losses = torch.stack([result["loss"].float() for result in results]).tolist()
    for loss, names in zip(losses, cases, strict=True):
        if not math.isfinite(loss):
            raise RunFailed(not_finite(f"A validation loss of epoch {epoch + 1} is {loss}", names))
