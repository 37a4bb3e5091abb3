"""Whether features tell anything of a target: p of a score under permuted labels, probes fitted again each time.

Labels are permuted over training and held-out patients together and every probe is fitted again (Ojala and Garriga,
JMLR 2010, test 1). Permuting the truth against predictions that stay as they are misses its level for pooled folds,
with weak penalties towards p that are too small: a patient who is scored in one fold is learnt from in the others, and
what the folds' scores then have in common, such permutations do not. Two things stay as they were on the real labels:
the penalty, so that this is feasible, and the encoder. What the encoder of a run that was trained by the target itself
has learnt of it is thus not drawn again.

Whole patients change places, those with equally many rows among themselves, since rows of one patient resemble each
other (Winkler et al., NeuroImage 2015); where a patient's rows all have one value, any two patients may.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.pooled import FeatureRows, Part, Pooled, outputs, pool
from medcl.evaluation.scores import MAIN_SCORE, SCORES_OF, Values
from medcl.study.errors import BadInput

PERMUTATIONS = 999
HITS = 20
"""Permutations at least as good as the real labels after which no more are drawn (Besag and Clifford, Biometrika
1991)."""
_AT_ONCE = 50

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Permuted:
    """The test.

    Attributes:
        score: its name (greater is better).
        value: with the real labels.
        p: one-sided; (hits + 1) / (permutations + 1), or hits / permutations where they were ended early.
        permutations: that were drawn.
        fixed: patients who had nobody to change places with.
        chance: mean of the permuted scores, NaN where none is defined.
    """

    score: str
    value: float
    p: float
    permutations: int
    fixed: int
    chance: float


def permutation_test(
    pooled: Pooled,
    rows: FeatureRows,
    target: Values,
    *,
    permutations: int = PERMUTATIONS,
    hits: int = HITS,
    strata: npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> Permuted:
    """Test the main score of pooled predictions.

    With covariates among the features it tests both together: what the features add is the comparison with the
    covariates alone (`compare`).

    Args:
        pooled: of these rows and this target.
        rows, target: as they were given to `pooled_predictions`.
        permutations: at most.
        hits: after which to end; 0 draws all.
        strata: (N,) only patients of one stratum change places (sites, when a site is left out); None for all.
        seed: of the permutations.

    Raises:
        BadInput: nobody can change places.
    """
    name = MAIN_SCORE[pooled.kind]
    exchange = _Exchange.of(pooled, rows, target, strata)
    if exchange.fixed == exchange.patients:
        raise BadInput(f"no two of {exchange.patients} patients have equally many rows: labels cannot be permuted.")
    value = SCORES_OF[pooled.kind][name](pooled.truth, pooled.predicted)
    generator = np.random.default_rng(seed)
    scores: list[float] = []
    better = 0
    while len(scores) < permutations:
        for score in _permuted_scores(
            pooled, rows, exchange, name, generator, min(_AT_ONCE, permutations - len(scores))
        ):
            scores.append(score)
            better += bool(score >= value - 1e-12 or np.isnan(score))
            if hits and better == hits:
                return _result(name, value, hits / len(scores), scores, exchange.fixed)
    return _result(name, value, (better + 1) / (permutations + 1), scores, exchange.fixed)


def _result(name: str, value: float, p: float, scores: list[float], fixed: int) -> Permuted:
    known = [score for score in scores if not np.isnan(score)]
    return Permuted(name, value, p, len(scores), fixed, float(np.mean(known)) if known else float("nan"))


@dataclass(frozen=True, eq=False)
class _Exchange:
    """Cases with a target, and the groups of patients who may change places.

    Attributes:
        values: (K,) or (K, 2) of the cases.
        case_of: (N,) place of each row's case; -1 without one.
        groups: for each group (P, R) the places of its P patients' R cases; R = 1 where patients have one value.
        spread: (K,) the place from which a case's value is read.
        patients, fixed: how many there are, how many stand alone.
    """

    values: Values
    case_of: npt.NDArray[np.int64]
    groups: list[npt.NDArray[np.int64]]
    spread: npt.NDArray[np.int64]
    patients: int
    fixed: int

    @classmethod
    def of(cls, pooled: Pooled, rows: FeatureRows, target: Values, strata: npt.NDArray[Any] | None) -> _Exchange:
        used = np.unique(np.concatenate([np.concatenate([part.training, part.rows]) for part in pooled.parts]))
        names, first, of = np.unique(
            np.asarray(rows.cases, dtype=np.str_)[used], return_index=True, return_inverse=True
        )
        case_of = np.full(len(rows), -1)
        case_of[used] = of
        places = used[first]
        values = np.asarray(target)[places]
        if pooled.kind == "categorical":
            values = values.astype(np.str_)
        who = np.asarray(rows.patients, dtype=np.str_)[places]
        stratum = np.full(len(names), "") if strata is None else np.asarray(strata, dtype=np.str_)[places]
        people = [np.flatnonzero(who == name) for name in np.unique(who)]
        one_value = all((values[own] == values[own[0]]).all() for own in people)
        spread = np.arange(len(names))
        blocks: dict[tuple[int, str], list[npt.NDArray[np.int64]]] = {}
        for own in people:
            if one_value:
                spread[own] = own[0]
            # in the order of the table, which is that of the exams
            block = own[:1] if one_value else own[np.argsort(places[own])]
            blocks.setdefault((len(block), stratum[own[0]]), []).append(block)
        groups = [np.stack(found) for found in blocks.values()]
        fixed = sum(len(group) for group in groups if len(group) == 1)
        return cls(values, case_of, groups, spread, len(people), fixed)

    def draw(self, generator: np.random.Generator) -> Values:
        """Values of the cases (K,) or (K, 2) with patients in other places."""
        source = np.arange(len(self.values))
        for group in self.groups:
            source[group] = group[generator.permutation(len(group))]
        return np.asarray(self.values[source[self.spread]])


def _permuted_scores(
    pooled: Pooled, rows: FeatureRows, exchange: _Exchange, name: str, generator: np.random.Generator, count: int
) -> list[float]:
    drawn = [exchange.draw(generator) for _ in range(count)]
    classes = np.array(pooled.classes)
    said = [
        _refitted(part, [values[exchange.case_of[part.training]] for values in drawn], classes) for part in pooled.parts
    ]
    score = SCORES_OF[pooled.kind][name]
    found = []
    for place, values in enumerate(drawn):
        first, predicted = pool(pooled.parts, [each[place] for each in said], rows.cases)
        truth = values[exchange.case_of[first]]
        found.append(score(np.searchsorted(classes, truth) if len(classes) else truth, predicted))
    return found


def _refitted(part: Part, targets: list[Values], classes: Values) -> list[Floats]:
    """What a part's probe says of its held-out rows, fitted on each of several permuted targets."""
    if part.probe.kind == "numeric":
        probe = part.probe.again(part.training_features, np.stack(targets, axis=1))
        return list(np.asarray(probe.predict(part.features), dtype=np.float64).reshape(len(part.rows), -1).T)
    return [_refitted_once(part, target, classes) for target in targets]


def _refitted_once(part: Part, target: Values, classes: Values) -> Floats:
    if part.probe.kind == "categorical" and len(np.unique(target)) == 1:
        # a permutation may leave one class in a small training part: all that can be said is this class
        return np.tile((classes == target[0]).astype(np.float64), (len(part.rows), 1))
    if part.probe.kind == "survival" and not target[:, 1].any():
        return np.zeros(len(part.rows))
    return outputs(part.probe.again(part.training_features, target), part.features, classes)
