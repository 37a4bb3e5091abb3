"""Predictions for held-out patients by a probe that was fitted on the training patients of the same split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.probe import Features, Probe, Values, fit_probe
from medcl.evaluation.scores import Kind
from medcl.study.errors import BadInput

Fit = Callable[..., Probe]


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows with their truth and prediction.

    Attributes:
        rows: (M,) places of the held-out rows among those given.
        truth, predicted: (M,) in the target's own unit or classes; of survival (M, 2), and (M,) log hazards.
        patients: (M,) whose they are.
        probe: what predicted them.
        left_out: rows without a target, in training and held-out parts together.
    """

    rows: npt.NDArray[np.int64]
    truth: Values
    predicted: Values
    patients: npt.NDArray[np.str_]
    probe: Probe
    left_out: int


def predict_held_out(
    features: Features,
    target: Values,
    patients: Sequence[str] | Values,
    splits: Sequence[str] | Values,
    *,
    kind: Kind = "numeric",
    held_out: Sequence[str] = ("test",),
    training: Sequence[str] = ("train",),
    fit: Fit = fit_probe,
    **settings: Any,
) -> HeldOut:
    """Fit on the training patients, predict the held-out ones; rows of one encoder only (one fold).

    Args:
        features: (N, F).
        target: (N,), or (N, 2) for survival; NaN (numbers, times) or None or "" (classes) where missing: such rows are
            left out and counted.
        patients, splits: (N,).
        kind: of the probe.
        held_out, training: which splits are which; validation patients belong to neither unless told.
        fit: what fits the probe on training rows.
        settings: handed to `fit`.

    Raises:
        BadInput: a patient stands on both sides, or one side has no row with a target.
    """
    who, split = np.asarray(patients, dtype=str), np.asarray(splits, dtype=str)
    both = set(who[np.isin(split, training)]) & set(who[np.isin(split, held_out)])
    if both:
        shown = ", ".join(sorted(both)[:5])
        raise BadInput(
            f"{len(both)} patients stand in the training and in the held-out rows (such as {shown}): no "
            "score of "
            "theirs can be trusted; make the split by patient again (medcl pretrain writes one)."
        )
    known = ~missing(target, kind)
    fit_rows = np.flatnonzero(known & np.isin(split, training))
    rows = np.flatnonzero(known & np.isin(split, held_out))
    if not len(fit_rows) or not len(rows):
        side = ", ".join(training if not len(fit_rows) else held_out)
        raise BadInput(f"no row of the split {side} has a value of the target: nothing can be probed.")
    probe = fit(features[fit_rows], target[fit_rows], who[fit_rows], kind=kind, **settings)
    left_out = int((~known & np.isin(split, [*training, *held_out])).sum())
    return HeldOut(rows, target[rows], probe.predict(features[rows]), who[rows], probe, left_out)


def missing(target: Values, kind: Kind) -> npt.NDArray[np.bool_]:
    """(N,) whether a row has no value of the target; a time without its event, or the other way, is none."""
    if kind != "categorical":
        return np.asarray(np.isnan(target.astype(np.float64)).reshape(len(target), -1).any(axis=1), dtype=np.bool_)
    return np.array([value is None or value != value or value == "" for value in target], dtype=np.bool_)
