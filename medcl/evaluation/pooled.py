"""Predictions of held-out rows, pooled over probes that each know one encoder.

Every encoder has a probe of its own, and what is pooled is what the probes say, never features. Probes differ a little
in level, for which a pooled R2 or area under the curve pays (Forman and Scholz, SIGKDD Explorations 2010); they score
what would be told of a new patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import text_labels
from medcl.evaluation.covariates import Covariates
from medcl.evaluation.fits import Fit
from medcl.evaluation.held_out import Fit as FitProbe
from medcl.evaluation.held_out import missing, predict_held_out
from medcl.evaluation.probe import Features, Probe, Values, fit_probe
from medcl.evaluation.scores import Kind
from medcl.study.errors import BadInput
from medcl.study.plural import counted

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """N rows of features and whose they are.

    Attributes:
        name: of the set of features.
        features: (N, F); F may be 0 where there are covariates.
        patients, encoders: (N,) whose, and by which encoder.
        cases: (N,) what a row is of (patient and exam): rows of one case by several encoders share it.
        covariates: of the same rows; none unless given.
    """

    name: str
    features: Features
    patients: npt.NDArray[Any]
    encoders: npt.NDArray[Any]
    cases: npt.NDArray[Any]
    covariates: Covariates | None = None

    def __len__(self) -> int:
        return len(self.patients)


@dataclass(frozen=True, eq=False)
class Part:
    """What one probe was fitted on and what it said: rows of the table, features with covariates, and the probe."""

    fit: Fit
    probe: Probe
    training: Rows
    training_features: Features
    rows: Rows
    features: Features


@dataclass(frozen=True, eq=False)
class Pooled:
    """Predictions of M cases.

    Attributes:
        kind: of the target.
        classes: C names in order; () unless the target is classes.
        cases, patients: (M,) what and whose.
        truth: (M,) numbers or places of classes; (M, 2) time and event.
        predicted: (M,) numbers, (M, C) shares, or (M,) log hazards. Where several probes predict a case, their mean.
        parts: the probes.
        without_target, without_covariates: cases of the fits that were left out for lacking one or the other.
        notes: what a reader should know, in sentences.
    """

    kind: Kind
    classes: tuple[str, ...]
    cases: npt.NDArray[np.str_]
    patients: npt.NDArray[np.str_]
    truth: Values
    predicted: Floats
    parts: tuple[Part, ...]
    without_target: int
    without_covariates: int
    notes: tuple[str, ...] = ()


def pooled_predictions(
    rows: FeatureRows,
    target: Values,
    fits: Sequence[Fit],
    *,
    kind: Kind,
    fit: FitProbe = fit_probe,
    **settings: Any,
) -> Pooled:
    """Fit a probe for each fit and pool what they say of their held-out rows.

    Args:
        rows: the features.
        target: (N,) numbers with NaN or classes with None or "" where missing; (N, 2) time and event (1, or 0 where
            follow-up ended) with NaN.
        fits: see `fits_by_encoder`, `fits_by_site` and `nested_fits`.
        kind: what the target is.
        fit: `fit_probe` or `fit_constant`.
        settings: handed to it (method, inner_folds, seed).

    Raises:
        BadInput: a fit with rows of several encoders or a patient on both sides, features that are not finite, or rows
            that cannot be probed.
    """
    lacking = np.zeros(len(rows), dtype=np.bool_) if rows.covariates is None else rows.covariates.missing()
    unknown = missing(target, kind)
    values = text_labels(target) if kind == "categorical" else target.astype(np.float64)
    parts: list[Part] = []
    notes: list[str] = []
    for each in fits:
        _require_one_encoder(each, rows)
        part, told = _part(each, rows, values, lacking, (kind, fit, settings))
        parts.append(part)
        notes += told
    asked = np.unique(np.concatenate([np.concatenate([each.training, each.held_out]) for each in fits]))
    classes = np.unique(values[~unknown]) if kind == "categorical" else np.empty(0, dtype=str)
    first, said = pool(parts, [outputs(part.probe, part.features, classes) for part in parts], rows.cases)
    repeated = sum(len(part.rows) for part in parts) - len(first)
    if repeated:
        notes.append(f"{counted(len(first), 'case')} predicted by several probes ({repeated} more predictions): means.")
    truth = np.searchsorted(classes, values[first]) if kind == "categorical" else values[first]
    return Pooled(
        kind,
        tuple(classes.tolist()),
        np.asarray(rows.cases, dtype=np.str_)[first],
        np.asarray(rows.patients, dtype=np.str_)[first],
        truth,
        said,
        tuple(parts),
        len(np.unique(rows.cases[asked[unknown[asked]]])),
        len(np.unique(rows.cases[asked[lacking[asked] & ~unknown[asked]]])),
        tuple(dict.fromkeys(notes)),
    )


def outputs(probe: Probe, features: Features, classes: Values) -> Floats:
    """What is pooled of one probe: numbers or log hazards (N,), or shares of the classes (N, C)."""
    if probe.kind == "categorical":
        return probe.shares(features, classes)
    return np.asarray(probe.predict(features), dtype=np.float64)


def pool(parts: Sequence[Part], said: Sequence[Floats], cases: Values) -> tuple[Rows, Floats]:
    """The first row of each held-out case, in order of rows, and the mean of what its probes say of it."""
    rows = np.concatenate([part.rows for part in parts])
    everything = np.concatenate(list(said))
    _, first, of = np.unique(np.asarray(cases, dtype=np.str_)[rows], return_index=True, return_inverse=True)
    sums = np.zeros((len(first), *everything.shape[1:]))
    np.add.at(sums, of, everything)
    counts = np.bincount(of).reshape(-1, *[1] * (everything.ndim - 1))
    order = np.argsort(rows[first], kind="stable")
    return rows[first][order], (sums / counts)[order]


def _part(
    each: Fit, rows: FeatureRows, values: Values, lacking: npt.NDArray[np.bool_], how: tuple[Kind, FitProbe, Any]
) -> tuple[Part, tuple[str, ...]]:
    kind, fit, settings = how
    training, held_out = each.training[~lacking[each.training]], each.held_out[~lacking[each.held_out]]
    features = np.asarray(rows.features, dtype=np.float64)
    notes: tuple[str, ...] = ()
    if rows.covariates is not None:
        columns, notes = rows.covariates.matrix(training)
        features = np.concatenate([features, columns], axis=1)
    chosen = np.concatenate([training, held_out])
    _require_finite(features[chosen], rows.name)
    roles = np.repeat(["train", "test"], [len(training), len(held_out)])
    patients = np.asarray(rows.patients, dtype=np.str_)
    try:
        found = predict_held_out(
            features[chosen], values[chosen], patients[chosen], roles, kind=kind, fit=fit, **settings
        )
    except BadInput as error:
        raise BadInput(f"{rows.name}, {each.name}: {error}") from error
    known = training[~missing(values[training], kind)]
    scored = chosen[found.rows]
    return Part(each, found.probe, known, features[known], scored, features[scored]), notes


def _require_one_encoder(each: Fit, rows: FeatureRows) -> None:
    of = np.unique(np.asarray(rows.encoders)[np.concatenate([each.training, each.held_out])])
    if len(of) > 1:
        raise BadInput(
            f"{rows.name}, {each.name}: rows of {len(of)} encoders ({', '.join(map(str, of[:5]))}) in one fit; their "
            "features mean different things. Fit each encoder's rows alone and pool the predictions."
        )


def _require_finite(features: Features, name: str) -> None:
    wrong = int((~np.isfinite(features)).any(axis=1).sum())
    if wrong:
        raise BadInput(f"{name}: {wrong} of {len(features)} rows have a feature that is no finite number; embed again.")
