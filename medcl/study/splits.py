"""Which patients train, validate and test: always whole patients, written to splits.csv, editable and given back.

Sources, first that applies: a splits.csv that the user gives, a site that is left out, K folds, the split column of
cohort.csv, else 70 / 10 / 20 by patient drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from medcl.study.errors import BadInput
from medcl.study.exams import natural_key
from medcl.study.spelling import folded
from medcl.study.split_draw import bins, draw, draw_folds, sizes
from medcl.study.split_file import Splits as Splits
from medcl.study.split_file import read_splits as read_splits
from medcl.study.variable import Variable

FRACTIONS = (0.7, 0.1, 0.2)


def make_splits(
    frame: pd.DataFrame,
    *,
    seed: int,
    fractions: tuple[float, float, float] = FRACTIONS,
    stratify: Variable | None = None,
    folds: int | None = None,
    leave_site: str | None = None,
    given: Splits | None = None,
) -> Splits:
    """Divide the patients of a cohort.

    Args:
        frame: of a cohort; columns case, patient, and site and split where they are used.
        seed: of the draw; the same seed and patients give the same parts in whatever order the rows stand.
        fractions: shares of train, val and test; they sum to 1.
        stratify: patients are balanced over the parts by their mean (numeric, in quantile bins) or most frequent
            class; patients without a value are balanced as a class of their own.
        folds: K divisions; the test patients of fold k are the k-th part, val is drawn from the rest.
        leave_site: all patients with an image from this site are test patients, the others train and val.
        given: a division that was read from a splits.csv; checked against the patients and returned.

    Raises:
        BadInput: fewer than two patients, fractions, folds or site that are impossible, a given split or split
            column that does not fit the patients.
    """
    patients = sorted(set(frame["patient"]), key=natural_key)
    _refuse_impossible(len(patients), fractions, folds, leave_site, given)
    column = _column_words(frame)
    idle = ("--stratify has no part: the split is given",) if stratify is not None else ()
    if given is not None:
        return _checked(replace(given, notes=(*given.notes, *idle)), patients)
    if folds is None and leave_site is None and column:
        found = _from_column(column, patients)
        return Splits(found.frame, (*found.notes, *idle))
    notes = ["the split column of cohort.csv is not used, since another split was asked for"] if column else []
    strata = _strata(frame, stratify) if stratify is not None else None
    if leave_site is not None:
        parts = {1: _leave_site(frame, patients, leave_site, strata, fractions, seed)}
    elif folds is not None:
        parts = draw_folds(patients, folds, strata, fractions, seed)
    else:
        parts = {1: draw(patients, strata, sizes(len(patients), fractions), np.random.default_rng([seed, 0]))}
    if fractions[1] and any("val" not in part.values() for part in parts.values()):
        notes.append(f"{len(patients)} patients are too few for validation patients: there are none")
    return Splits.of_parts(parts, tuple(notes))


def _refuse_impossible(
    count: int,
    fractions: tuple[float, float, float],
    folds: int | None,
    leave_site: str | None,
    given: Splits | None,
) -> None:
    problems = []
    if count < 2:
        problems.append(
            f"A split by patient needs at least 2 patients, and the cohort has {count}: add patients to cohort.csv."
        )
    if len(fractions) != 3 or min(fractions) < 0 or not np.isclose(sum(fractions), 1) or fractions[0] == 0:
        problems.append(f"The split fractions {fractions} must be three shares that sum to 1, train above 0.")
    if folds is not None and not 2 <= folds <= max(2, count):
        problems.append(f"--folds {folds}: must be at least 2 and at most the number of patients ({count}).")
    told = [folds is not None, leave_site is not None, given is not None]
    if sum(told) > 1:
        problems.append("Folds, a site to leave out and a given splits.csv exclude each other: choose one.")
    if problems:
        raise BadInput(problems)


def _leave_site(
    frame: pd.DataFrame,
    patients: list[str],
    site: str,
    strata: Mapping[str, Hashable] | None,
    fractions: tuple[float, float, float],
    seed: int,
) -> dict[str, str]:
    sites = {folded(name): name for name in frame["site"] if name} if "site" in frame else {}
    if not sites:
        raise BadInput(f"Site '{site}' cannot be left out: cohort.csv has no column 'site' with values.")
    if folded(site) not in sites:
        known = ", ".join(f"'{name}'" for name in sorted(sites.values(), key=natural_key))
        raise BadInput(f"There is no site '{site}' to leave out; the sites in cohort.csv are {known}.")
    there = [folded(name) == folded(site) for name in frame["site"]]
    test = set(frame.loc[there, "patient"])
    rest = [patient for patient in patients if patient not in test]
    if not rest:
        raise BadInput(f"Every patient has an image from site '{site}': leaving it out leaves nobody to train.")
    val = fractions[1] / (fractions[0] + fractions[1])
    n_val = min(len(rest) - 1, max(1, round(val * len(rest)))) if val else 0
    part = draw(rest, strata, (n_val, 0), np.random.default_rng([seed, 0]))
    return {patient: part.get(patient, "test") for patient in patients}


def _strata(frame: pd.DataFrame, variable: Variable) -> dict[str, Hashable]:
    """The stratum of each patient that has a value: quantile bin of the mean, or most frequent class."""
    values = variable.values.reindex(frame["case"])
    values.index = pd.Index(frame["patient"])
    present = values.dropna()
    if variable.kind == "numeric":
        means = present.astype(float).groupby(level=0).mean()
        return dict(bins({str(patient): float(mean) for patient, mean in means.items()})) if len(means) else {}
    return {str(patient): min(group.mode()) for patient, group in present.groupby(level=0)}


def _column_words(frame: pd.DataFrame) -> dict[str, set[str]]:
    """The words of the split column by patient; {} when the column is absent or empty."""
    if "split" not in frame or not (frame["split"] != "").any():
        return {}
    words: dict[str, set[str]] = {}
    for patient, word in zip(frame["patient"], frame["split"], strict=True):
        words.setdefault(patient, set()).update({word} - {""})
    return words


def _from_column(words: Mapping[str, set[str]], patients: list[str]) -> Splits:
    problems = []
    several = [patient for patient in patients if len(words[patient]) > 1]
    without = [patient for patient in patients if not words[patient]]
    if several:
        problems.append(
            f"cohort.csv, column 'split': patients on several sides: {_listed(several)}. "
            "All images of a patient belong to one side."
        )
    if without:
        problems.append(
            f"cohort.csv, column 'split': {len(without)} of {len(patients)} patients have no split: "
            f"{_listed(without)}. Fill the column with train, val or test, or empty it."
        )
    if problems:
        raise BadInput(problems)
    parts = {patient: next(iter(words[patient])) for patient in patients}
    return _checked(Splits.of_parts({1: parts}, ("the split column of cohort.csv",)), patients)


def _checked(splits: Splits, patients: list[str]) -> Splits:
    """The splits when every fold has each patient once and somebody to train."""
    problems = []
    known = set(patients)
    for fold in splits.folds:
        part = splits.of(fold)
        where = str(splits.file or "splits") + (f", fold {fold}" if len(splits.folds) > 1 else "")
        unknown = [patient for patient in part if patient not in known]
        missing = [patient for patient in patients if patient not in part]
        if unknown:
            problems.append(f"{where}: patients that are not in cohort.csv: {_listed(unknown)}. Remove their rows.")
        if missing:
            problems.append(f"{where}: patients without a split: {_listed(missing)}. Add a row for each.")
        if "train" not in part.values():
            problems.append(f"{where}: no patient is in 'train'.")
    if problems:
        raise BadInput(problems)
    notes = list(splits.notes)
    if any("val" not in splits.of(fold).values() for fold in splits.folds):
        notes.append("the split has no validation patients")
    return replace(splits, notes=tuple(notes))


def _listed(names: Iterable[str], most: int = 10) -> str:
    every = sorted(names, key=natural_key)
    more = f", ... ({len(every)} in all)" if len(every) > most else ""
    return ", ".join(f"'{name}'" for name in every[:most]) + more
