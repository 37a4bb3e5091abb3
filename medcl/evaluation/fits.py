"""Which rows a probe is fitted on and which it predicts: by encoder, by site, or inside the held-out patients.

Features of two encoders mean different things in the same column, so that a fit has rows of one encoder only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.study.errors import BadInput

TRAINING = ("train",)
HELD_OUT = ("test", "new")
"""Patients that a run never saw: its test split, and those of another study. (Its validation split chose the epoch.)"""
NESTED_FOLDS = 5

Rows = npt.NDArray[np.int64]
Words = Sequence[str] | npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Fit:
    """One probe to be fitted.

    Attributes:
        name: what the fit is of ("encoder 1", "encoder 1, site Lille left out").
        training: places of the rows that it is fitted on; none where no row may be.
        held_out: places of the rows that it predicts.
        seen: whether the encoder was trained with patients of the held-out rows.
    """

    name: str
    training: Rows
    held_out: Rows
    seen: bool = False


def fits_by_encoder(
    encoders: Words, splits: Words, *, training: Sequence[str] = TRAINING, held_out: Sequence[str] = HELD_OUT
) -> list[Fit]:
    """A fit for each encoder: its training patients' rows, and those that it never saw.

    Args:
        encoders, splits: (N,) of the rows.
        training, held_out: the splits that are which.

    Raises:
        BadInput: an encoder has no held-out row.
    """
    of, split = _words(encoders), _words(splits)
    fits = []
    for name in np.unique(of).tolist():
        here = of == name
        scored = np.flatnonzero(here & np.isin(split, held_out))
        if not len(scored):
            known = ", ".join(sorted({word or "empty" for word in split[here].tolist()}))
            raise BadInput(
                f"encoder {name} has no row of patients that it never saw (the splits are {known}; "
                f"{' and '.join(held_out)} are such): embed held-out patients, or give --allow-seen, which marks the "
                "result."
            )
        fits.append(Fit(f"encoder {name}", np.flatnonzero(here & np.isin(split, training)), scored))
    return fits


def fits_of_seen(encoders: Words, splits: Words, *, held_out: Sequence[str] = HELD_OUT) -> list[Fit]:
    """A fit for each encoder that scores all of its rows (--allow-seen), without training rows: for `nested_fits`.

    Args:
        encoders, splits: (N,) of the rows; a split that is not in `held_out`, or "", may have been seen.
        held_out: the splits that were not.
    """
    of, split = _words(encoders), _words(splits)
    nothing = np.empty(0, dtype=np.int64)
    return [
        Fit(f"encoder {name}", nothing, np.flatnonzero(of == name), bool((~np.isin(split[of == name], held_out)).any()))
        for name in np.unique(of).tolist()
    ]


def fits_by_site(
    encoders: Words,
    splits: Words,
    patients: Words,
    sites: Words,
    *,
    training: Sequence[str] = TRAINING,
    held_out: Sequence[str] = HELD_OUT,
) -> list[Fit]:
    """Leave one site out: for each encoder and site, fitted on training patients of the other sites, scored on held-out
    patients of this one. The probe is blind to the site; the encoder only if its run left it out, too.

    Args:
        encoders, splits, patients, sites: (N,) of the rows; rows without a site ("") are in no fit.
        training, held_out: the splits that are which.

    Raises:
        BadInput: fewer than two sites, or no site has both sides.
    """
    of, split, who, site = _words(encoders), _words(splits), _words(patients), _words(sites)
    names = [name for name in np.unique(site).tolist() if name]
    if len(names) < 2:
        raise BadInput(f"leaving a site out needs at least 2 sites, found {', '.join(names) or 'none'}.")
    fits = []
    for encoder in np.unique(of).tolist():
        for name in names:
            here = (of == encoder) & (site == name)
            scored = np.flatnonzero(here & np.isin(split, held_out))
            # someone who was at both sites is no patient of the others
            others = (of == encoder) & ~np.isin(site, ["", name]) & ~np.isin(who, who[here])
            fitted = np.flatnonzero(others & np.isin(split, training))
            if len(scored) and len(fitted):
                fits.append(Fit(f"encoder {encoder}, site {name} left out", fitted, scored))
    if not fits:
        raise BadInput(
            f"no site has held-out patients of its own and training patients elsewhere ({', '.join(names)})."
        )
    return fits


def nested_fits(
    fits: Sequence[Fit], patients: Words, *, strata: Words | None = None, folds: int = NESTED_FOLDS, seed: int = 0
) -> list[Fit]:
    """Cross-validation over the held-out patients of each fit alone: what features tell of patients that the encoder
    never saw, to a probe that knows such patients only.

    An encoder that was trained by the target has its training patients' values by heart, and a probe that is fitted on
    them may fail on others for that reason alone.

    Args:
        fits: whose held-out rows are dealt out.
        patients: (N,).
        strata: (N,) classes, or whether there was the event, to be spread over the parts; None for numbers. "" is left
            out, as rows without a target should be.
        folds: parts; fewer where there are fewer patients.
        seed: of the parts.

    Raises:
        BadInput: fewer than 4 held-out patients in a fit: one that is scored and some to fit and to choose on.
    """
    who = _words(patients)
    groups = np.full(len(who), "one") if strata is None else _words(strata)
    found = []
    for fit in fits:
        rows = fit.held_out[groups[fit.held_out] != ""]
        people = len(np.unique(who[rows]))
        if people < 4:
            raise BadInput(
                f"{fit.name}: a fit inside the held-out patients needs at least 4 of them with a value of the target, "
                f"found {people}."
            )
        part = _parts(who[rows], groups[rows], min(folds, people), seed)
        for number in np.unique(part).tolist():
            name = f"{fit.name}, part {number + 1} of its held-out patients"
            found.append(Fit(name, rows[part != number], rows[part == number], fit.seen))
    return found


def _parts(who: npt.NDArray[Any], strata: npt.NDArray[Any], folds: int, seed: int) -> Rows:
    """(M,) parts of rows: patients in turn after a shuffle, one class after the other by the first class that a patient
    has in order of rarity."""
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(strata, return_counts=True)
    place: dict[str, int] = {}
    for name in classes[np.argsort(counts, kind="stable")].tolist():
        for person in generator.permutation(np.unique(who[strata == name])).tolist():
            place.setdefault(person, len(place) % folds)
    return np.array([place[person] for person in who.tolist()], dtype=np.int64)


def _words(values: Words) -> npt.NDArray[Any]:
    return np.asarray(values, dtype=np.str_)
