"""evaluation.html: what the page of `medcl evaluate` shows of the scores, and how it is to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medcl.evaluation.scores import MAIN_SCORE
from medcl.figures.evaluation_page.against_truth import Predictions
from medcl.figures.evaluation_page.page import evaluation_page
from medcl.figures.evaluation_page.score_row import ComparisonRow, Interval, ScoreRow
from medcl.figures.labels import pretty_unit, readable
from medcl.study.plural import counted
from medcl.workflows.evaluate_tables import BETWEEN

if TYPE_CHECKING:
    from medcl.evaluation.bootstrap import Interval as Bootstrapped
    from medcl.workflows.evaluate import Evaluated, EvaluateOptions
    from medcl.workflows.evaluate_scoring import Compared, Scored
    from medcl.workflows.evaluate_tables import FeatureSet
    from medcl.workflows.evaluate_target import Target

KINDS = {"numeric": "regression", "categorical": "classification", "survival": "time to an event"}


def evaluation_html(
    done: Evaluated, target: Target, sets: Sequence[FeatureSet], said: Sequence[str], options: EvaluateOptions
) -> str:
    """The whole page.

    Args:
        done: the scores.
        target: what was predicted.
        sets: the features.
        said: notes of the evaluation.
        options: of the command.
    """
    rows = [_row(each) for each in done.scored]
    unit = f" [{pretty_unit(target.unit)}]" if target.unit else ""
    return evaluation_page(
        rows,
        [_comparison(each) for each in done.compared],
        [_predictions(each, not options.no_ids) for each in done.scored if _is_drawn(each)],
        target=f"{readable(target.name)}{unit}",
        kind=KINDS[target.kind],
        main=MAIN_SCORE[target.kind],
        trained_on_it=[each.name for each in sets if each.trained_on and each.trained_on in target.variables],
        site_left_out=options.leave_site,
        said=[*said, *_pooled_notes(done.scored)],
        facts={
            "Target": f"{target.name}, {KINDS[target.kind]}",
            "Features": "; ".join(_made(each) for each in sets),
            "Rows": f"one for each exam of a patient; sequences: {options.sequences}"
            + "".join(
                f"; {word} {', '.join(getattr(options, word))}"
                for word in ("exam", "sequence")
                if getattr(options, word)
            ),
            "Probes": f"{', '.join(options.probe)}; penalties by inner cross-validation that keeps patients together",
            "Drawn": f"{counted(options.bootstrap, 'draw')} of patients, at most "
            f"{counted(options.permutations, 'permutation')}, seed {options.seed}",
            "Tables": f"evaluations/{done.folder.name}/scores.csv, comparisons.csv, predictions.csv",
        },
    )


def _made(each: FeatureSet) -> str:
    card = each.images.card
    run = f"of run {card['run']}" if card.get("run") else "run not known"
    trained = f", trained on {each.trained_on}" if each.trained_on else ""
    return f"{each.name} ({run}{trained}, {card.get('layer', 'layer not known')}, {each.exams.features.shape[1]})"


def _row(each: Scored) -> ScoreRow:
    found = each.found
    pooled = found.pooled
    return ScoreRow(
        each.candidate.name,
        each.candidate.role,
        each.probe,
        found.fitted_on,
        {name: _interval(interval) for name, interval in found.scores.items()},
        found.permuted.p if found.permuted else None,
        len(pooled.cases) if pooled else 0,
        len(set(pooled.patients.tolist())) if pooled else 0,
        found.seen,
        found.reason,
    )


def _interval(found: Bootstrapped) -> Interval:
    return Interval(found.value, found.low, found.high, found.level)


def _comparison(each: Compared) -> ComparisonRow:
    found = each.found
    return ComparisonRow(
        *(found.first, found.second, each.probe, each.fitted_on, _interval(found.difference)),
        *(found.difference.p, found.p_corrected, found.cases),
    )


def _is_drawn(each: Scored) -> bool:
    return each.candidate.role == "features" and each.found.pooled is not None


def _predictions(each: Scored, ids: bool) -> Predictions:
    pooled = each.found.pooled
    if pooled is None:
        raise ValueError("there is nothing to draw")
    cases = [" ".join(case.split(BETWEEN)).strip() for case in pooled.cases.tolist()] if ids else []
    title = f"{each.candidate.name}, {each.probe}, fitted on {each.found.fitted_on}"
    return Predictions(title, pooled.kind, pooled.classes, pooled.truth, pooled.predicted, cases, each.found.seen)


def _pooled_notes(scored: Sequence[Scored]) -> list[str]:
    """What was left out while the probes were fitted; guesses and baselines say nothing that features do not."""
    said: list[str] = []
    for each in scored:
        pooled = each.found.pooled
        if pooled is None or each.candidate.role == "baseline":
            continue
        for count, word in ((pooled.without_target, "the target"), (pooled.without_covariates, "a covariate")):
            if count:
                told = f"{each.candidate.name}, fitted on {each.found.fitted_on}: "
                said.append(f"{told}{counted(count, 'exam')} without a value of {word} left out.")
        said += [f"{each.candidate.name}: {note}" for note in pooled.notes]
    return list(dict.fromkeys(said))
