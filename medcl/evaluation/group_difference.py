"""Whether groups of patients differ in one clinical variable: test, p and effect size.

Numbers: Kruskal-Wallis with epsilon-squared, H / (n - 1) (Tomczak and Tomczak, Trends Sport Sci 2014). Classes:
chi-square with Cramer's V; where an expected count is below 5 the chi-square distribution is no good guide, and p is
exact (Fisher, 2 x 2) or from tables drawn at random with the same margins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST_EXPECTED = 5.0
"""Cochran's rule, in its strict form."""
PERMUTATIONS = 9999
_CELLS = 1_000_000
"""Of drawn tables that are held at once."""

Groups = npt.NDArray[np.int64]
Known = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """One test.

    Attributes:
        test: its name; "" where there was none.
        statistic: H or chi-square; NaN where there was no test, as `p` and `effect`.
        p: two-sided.
        effect_name: epsilon-squared or Cramer's V: 0 no difference, 1 the groups tell the values.
        effect: its size.
        reason: why there was no test; "" where there was one.
    """

    test: str
    statistic: float
    p: float
    effect_name: str
    effect: float
    reason: str = ""


def numeric_difference(values: npt.NDArray[np.float64], groups: Groups) -> Difference:
    """Kruskal-Wallis over the groups with values.

    Args:
        values: (N,) NaN where missing: left out.
        groups: (N,) whole numbers.
    """
    from scipy.stats import kruskal

    known = ~np.isnan(values)
    if reason := _reason(values[known], groups[known]):
        return Difference("", np.nan, np.nan, "epsilon-squared", np.nan, reason)
    parts = [values[known & (groups == group)] for group in np.unique(groups[known])]
    found = kruskal(*parts)
    effect = float(found.statistic) / (int(known.sum()) - 1)
    return Difference("Kruskal-Wallis", float(found.statistic), float(found.pvalue), "epsilon-squared", effect)


def categorical_difference(classes: npt.NDArray[np.str_], groups: Groups, *, seed: int = 0) -> Difference:
    """Chi-square, Fisher's exact test or permuted chi-square over the groups with values.

    Args:
        classes: (N,) "" where missing: left out.
        groups: (N,) whole numbers.
        seed: of the drawn tables.
    """
    from scipy.stats import chi2_contingency, fisher_exact

    known = classes != ""
    if reason := _reason(classes[known], groups[known]):
        return Difference("", np.nan, np.nan, "Cramer's V", np.nan, reason)
    table = _table(classes[known], groups[known])
    found = chi2_contingency(table, correction=False)
    statistic, p, test = float(found.statistic), float(found.pvalue), "chi-square"
    if found.expected_freq.min() < LEAST_EXPECTED:
        if table.shape == (2, 2):
            p, test = float(fisher_exact(table).pvalue), "Fisher's exact"
        else:
            p, test = (
                _drawn_p(table, found.expected_freq, statistic, seed),
                f"chi-square, {PERMUTATIONS:,} permutations",
            )
    effect = float(np.sqrt(statistic / (table.sum() * (min(table.shape) - 1))))
    return Difference(test, statistic, p, "Cramer's V", effect)


def rank_biserial(values: npt.NDArray[np.float64], inside: Known) -> float:
    """How far a group's numbers lie above the others': -1 all below, 0 no difference, 1 all above.

    The chance that one of the group is greater than one of the others, less the chance that it is smaller (Kerby, Compr
    Psychol 2014). NaN where one side has no value.

    Args:
        values: (N,) NaN where missing: left out.
        inside: (N,) who is of the group.
    """
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    own, others = int((known & inside).sum()), int((known & ~inside).sum())
    if not own or not others:
        return float("nan")
    wins = rankdata(values[known])[inside[known]].sum() - own * (own + 1) / 2
    return float(2 * wins / (own * others) - 1)


def _reason(known: npt.NDArray[Any], groups: Groups) -> str:
    """Why these values cannot be tested; "" when they can."""
    if not len(known):
        return "no patient has a value"
    if (found := len(np.unique(groups))) < 2:
        return f"only {found} cluster has patients with a value"
    if len(np.unique(known)) < 2:
        shown = f"{known[0]:g}" if known.dtype.kind == "f" else f"'{known[0]}'"
        return f"constant: {shown} in all {len(known)} patients with a value"
    return ""


def _table(classes: npt.NDArray[np.str_], groups: Groups) -> npt.NDArray[np.int64]:
    (rows, row), (columns, column) = (np.unique(each, return_inverse=True) for each in (groups, classes))
    table = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(table, (row, column), 1)
    return table


def _drawn_p(table: npt.NDArray[np.int64], expected: npt.NDArray[Any], statistic: float, seed: int) -> float:
    """Share of drawn tables at least as far from what is expected, the observed one counted as drawn."""
    from scipy.stats import random_table

    margins = random_table(table.sum(axis=1), table.sum(axis=0))
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS // table.size)
    farther = 0
    for sizes in _parts(PERMUTATIONS, at_once):
        drawn = margins.rvs(size=sizes, random_state=generator)
        farther += int((((drawn - expected) ** 2 / expected).sum(axis=(1, 2)) >= statistic * (1 - 1e-9)).sum())
    return (farther + 1) / (PERMUTATIONS + 1)


def _parts(count: int, most: int) -> Sequence[int]:
    return [most] * (count // most) + ([count % most] if count % most else [])
