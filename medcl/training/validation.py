"""The validation of an epoch: fixed batches, no augmentation, and nothing left changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from medcl.training.distributed import gather_objects, rank, world_size
from medcl.training.finite import NotFinite
from medcl.training.method import Method
from medcl.training.precision import Precision
from medcl.training.randomness import untouched_randomness
from medcl.training.source import Source

Judged = tuple[dict[str, float], list[str]]
"""A validation batch's numbers and its cases."""

WEIGHT = "weight"
"""Key of a batch's validation results under which the number of its terms stands."""


def run_validation(
    method: Method, source: Source, plans: Sequence[Any], precision: Precision, device: torch.device, epoch: int
) -> dict[str, float] | None:
    """Return the mean losses over the validation plans, weighted by each batch's "weight"; None without plans.

    Ranks judge whole batches in turn, so the means are those of one process, bit for bit.

    A value other than the loss may be NaN in batches that do not have it (a mean over pairs of which there are none);
    it is then the mean over the others.

    No generator's state changes, whatever the method draws, so that runs with and without validation train alike;
    the method is back in training mode afterwards.

    Raises:
        NotFinite: a batch's loss is not finite, naming its cases.
    """
    if not plans:
        return None
    results: list[dict[str, Tensor]] = []
    cases: list[list[str]] = []
    method.eval()
    try:
        with untouched_randomness(device), torch.no_grad():
            for batch in source.batches(plans[rank() :: world_size()], 0, training=False):
                with precision.autocast():
                    results.append({name: value.detach() for name, value in method.validate(batch).items()})
                cases.append(list(batch.cases))
    finally:
        method.train()
    numbers = [{name: float(value) for name, value in result.items()} for result in results]
    everyone = _in_order_of_plans(gather_objects(list(zip(numbers, cases, strict=True))))
    for index, (result, names) in enumerate(everyone):
        if not math.isfinite(result["loss"]):
            what = f"A validation loss of epoch {epoch + 1} is {result['loss']}"
            raise NotFinite(what, names, epoch, index, split="val")
    return _weighted_means([result for result, _ in everyone])


def _in_order_of_plans(of_ranks: Sequence[Sequence[Judged]]) -> list[Judged]:
    """Deal the ranks' results back: rank r of W judged the plans r, r + W, ..."""
    return [results[turn] for turn in range(len(of_ranks[0])) for results in of_ranks if turn < len(results)]


def _weighted_means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    weights = [result[WEIGHT] for result in results]
    means = {}
    for name in dict.fromkeys(name for result in results for name in result if name != WEIGHT):
        values = [result.get(name, math.nan) for result in results]
        there = [(w, value) for w, value in zip(weights, values, strict=True) if not math.isnan(value)]
        total = math.fsum(w for w, _ in there)
        if total:
            means[name] = math.fsum(w * value for w, value in there) / total
    return means
