"""Draws which patients are for training, validation and test: seeded, stratified, independent of the table's order.

Patients are shuffled within each stratum, the strata are laid end to end, and the parts are dealt along that line at
even distances: every part then has its exact size, and each stratum its share to within one patient.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from medcl.study.exams import natural_key

MAX_BINS = 10
PATIENTS_PER_BIN = 10
"""Quantile bins of a numeric variable hold about this many patients, so that each has all three parts."""


def bins(values: Mapping[str, float]) -> dict[str, int]:
    """The quantile bin of each patient's number; equal numbers are in one bin."""
    numbers = np.array(list(values.values()), dtype=float)
    count = int(np.clip(len(numbers) // PATIENTS_PER_BIN, 1, MAX_BINS))
    edges = np.quantile(numbers, np.linspace(0, 1, count + 1)[1:-1]) if count > 1 else np.array([])
    return {patient: int(np.searchsorted(edges, value)) for patient, value in values.items()}


def lined_up(
    patients: Sequence[str], strata: Mapping[str, Hashable] | None, generator: np.random.Generator
) -> list[str]:
    """The patients in the order in which parts are dealt; those without a stratum are one stratum of their own."""
    groups: dict[str, list[str]] = {}
    for patient in sorted(patients):
        stratum = None if strata is None else strata.get(patient)
        groups.setdefault("" if stratum is None else f"={stratum}", []).append(patient)
    line = []
    for name in sorted(groups, key=natural_key):
        group = groups[name]
        line += [group[index] for index in generator.permutation(len(group))]
    return line


def pick(line: Sequence[str], count: int, generator: np.random.Generator) -> list[str]:
    """`count` members of the line at even distances, from a random start."""
    if not count:
        return []
    start = generator.uniform()
    steps = np.floor((np.arange(len(line) + 1) * count / len(line)) + start).astype(int)
    steps[-1] = steps[0] + count  # guards the sum against rounding
    return [patient for index, patient in enumerate(line) if steps[index + 1] > steps[index]]


def sizes(count: int, fractions: tuple[float, float, float]) -> tuple[int, int]:
    """How many of `count` patients (2 or more) are for validation and for test.

    Both have at least one patient where the fractions are not 0 and a training patient is left; of two patients one
    trains and one tests.
    """
    _, val, test = fractions
    n_test = min(count - 1, max(1, round(count * test))) if test else 0
    n_val = min(count - 1 - n_test, max(1, round(count * val))) if val else 0
    return n_val, n_test


def draw(
    patients: list[str],
    strata: Mapping[str, Hashable] | None,
    counts: tuple[int, int],
    generator: np.random.Generator,
) -> dict[str, str]:
    """The part of each patient; `counts` are the numbers of validation and test patients."""
    n_val, n_test = counts
    line = lined_up(patients, strata, generator)
    test = set(pick(line, n_test, generator))
    val = set(pick([patient for patient in line if patient not in test], n_val, generator))
    return {patient: "test" if patient in test else "val" if patient in val else "train" for patient in patients}


def draw_folds(
    patients: list[str],
    folds: int,
    strata: Mapping[str, Hashable] | None,
    fractions: tuple[float, float, float],
    seed: int,
) -> dict[int, dict[str, str]]:
    """The parts of each patient in folds 1 to K: every patient is a test patient in exactly one."""
    line = lined_up(patients, strata, np.random.default_rng([seed, 0]))
    parts = {}
    for fold in range(1, folds + 1):
        test = set(line[fold - 1 :: folds])
        rest = [patient for patient in line if patient not in test]
        n_val = min(len(rest) - 1, max(1, round(fractions[1] * len(patients)))) if fractions[1] else 0
        part = draw(rest, strata, (n_val, 0), np.random.default_rng([seed, fold]))
        parts[fold] = {patient: part.get(patient, "test") for patient in patients}
    return parts
