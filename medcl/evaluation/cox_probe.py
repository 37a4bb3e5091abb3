"""A Cox regression on standardised features whose ridge penalty is chosen inside the training rows.

The penalty is the one under which left-out patients' outcomes are most likely (the cross-validated partial likelihood:
Verweij and van Houwelingen, Stat Med 1993), each part's likelihood taken among its own rows. Concordance would not do:
it does not change when all weights shrink together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.cox import CoxFit, fit_cox, log_partial_likelihood, row_space
from medcl.study.errors import BadInput

PENALTIES = tuple(float(10.0**power) for power in np.arange(-1, 5.5, 0.5))
"""That are tried, on standardised features, against half the sum of squared weights."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StandardisedCox:
    """A Cox regression behind a scaler of its own rows.

    Attributes:
        centre, spread: (F,) taken off and divided by first; a feature without spread is left as it is.
        cox: on standardised features.
    """

    centre: Floats
    spread: Floats
    cox: CoxFit

    def predict(self, features: npt.NDArray[Any]) -> Floats:
        """(N,) log hazard ratio of rows (N, F) to a row at the mean of the training rows."""
        return self.cox.log_hazard((np.asarray(features, dtype=np.float64) - self.centre) / self.spread)


def fit_standardised_cox(features: npt.NDArray[Any], target: npt.NDArray[Any], penalty: float) -> StandardisedCox:
    """Fit with a given penalty.

    Args:
        features: (N, F), finite.
        target: (N, 2) time, and 1 for the event or 0 for the end of follow-up.
        penalty: above 0.
    """
    rows = np.asarray(features, dtype=np.float64)
    centre, spread = _scale(rows)
    cox = fit_cox((rows - centre) / spread, target[:, 0], target[:, 1] > 0, penalty)
    return StandardisedCox(centre, spread, cox)


def _scale(rows: Floats) -> tuple[Floats, Floats]:
    spread = rows.std(axis=0)
    return rows.mean(axis=0), np.where(spread > 0, spread, 1.0)


def chosen_penalty(
    features: npt.NDArray[Any], target: npt.NDArray[Any], groups: npt.NDArray[Any], folds: int, seed: int
) -> float:
    """The best of `PENALTIES` by inner parts that keep patients together and spread the events.

    Raises:
        BadInput: times below 0, or fewer than two patients with an event.
    """
    require_events(target, groups)
    totals = np.zeros(len(PENALTIES))
    for training, left_out in _parts(target[:, 1] > 0, groups, folds, seed):
        centre, spread = _scale(features[training])
        # once for all penalties: in the rows' own space a fit no longer depends on how many features there are
        space, directions = row_space((features[training] - centre) / spread)
        beside = (features[left_out] - centre) / spread @ directions
        for place, penalty in enumerate(PENALTIES):
            cox = fit_cox(space, target[training, 0], target[training, 1] > 0, penalty)
            totals[place] += log_partial_likelihood(cox.log_hazard(beside), target[left_out, 0], target[left_out, 1])
    return PENALTIES[int(totals.argmax())]


def require_events(target: npt.NDArray[Any], groups: npt.NDArray[Any]) -> None:
    """Refuse times and events that no Cox probe can be fitted on."""
    if (target[:, 0] < 0).any():
        raise BadInput(
            f"{int((target[:, 0] < 0).sum())} times to the event are below 0 (the first is {target[:, 0].min():g}): "
            "the event, or the end of follow-up, must not lie before the exam."
        )
    people = len(np.unique(groups[target[:, 1] > 0]))
    if people < 2:
        raise BadInput(
            f"a Cox probe needs at least 2 training patients with the event, found {people} of "
            f"{len(np.unique(groups))}: choose a target that more patients reach."
        )


def _parts(
    events: npt.NDArray[np.bool_], groups: npt.NDArray[Any], folds: int, seed: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Patients, those with the event and those without, dealt out in turn after a shuffle: with two of them every
    training part has an event."""
    generator = np.random.default_rng(seed)
    names = generator.permutation(np.unique(groups))
    had = np.isin(names, groups[events])
    people = np.concatenate([names[had], names[~had]])
    part_of = dict(zip(people.tolist(), np.arange(len(people)) % max(2, folds), strict=True))
    part = np.array([part_of[name] for name in groups.tolist()])
    return [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in np.unique(part)]
