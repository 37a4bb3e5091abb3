"""The files of `medcl evaluate`: scores.csv, comparisons.csv, predictions.csv, evaluation.json and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from medcl.evaluation.scores import MAIN_SCORE
from medcl.study.files import write_json, write_text
from medcl.study.versions import versions
from medcl.workflows.evaluate_page import evaluation_html
from medcl.workflows.evaluate_tables import BETWEEN

if TYPE_CHECKING:
    from medcl.study.folder import Study
    from medcl.workflows.evaluate import Evaluated, EvaluateOptions
    from medcl.workflows.evaluate_scoring import Compared, Scored
    from medcl.workflows.evaluate_tables import FeatureSet
    from medcl.workflows.evaluate_target import Target

SCORES, COMPARISONS, PREDICTIONS = "scores.csv", "comparisons.csv", "predictions.csv"
CARD, PAGE = "evaluation.json", "evaluation.html"

SCORE_COLUMNS = (
    *("features", "role", "probe", "fitted_on", "score", "value", "low", "high", "level", "p", "permutations"),
    *("chance", "cases", "patients", "fits", "without_target", "without_covariates", "seen", "reason"),
)
COMPARISON_COLUMNS = (
    *("first", "second", "probe", "fitted_on", "score", "difference", "low", "high", "level", "p", "p_corrected"),
    *("correction", "cases", "patients", "left_out"),
)
PREDICTION_COLUMNS = ("features", "probe", "fitted_on", "patient", "exam", "seen", "truth", "predicted")
"""Of the time to an event `truth` is the time, `event` follows, and `predicted` is a log hazard; of classes a column
`share_CLASS` each follows."""


def write_evaluation(
    study: Study,
    done: Evaluated,
    target: Target,
    sets: Sequence[FeatureSet],
    said: Sequence[str],
    options: EvaluateOptions,
) -> None:
    """Write everything; the card last. An older page goes where none is wanted.

    Raises:
        RunFailed: the disk is full.
    """
    folder = done.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CARD, PAGE):  # what is left of an older evaluation must not stand beside new numbers
        (folder / name).unlink(missing_ok=True)
    write_text(folder / SCORES, _csv(SCORE_COLUMNS, _scores(done.scored, target)))
    write_text(folder / COMPARISONS, _csv(COMPARISON_COLUMNS, map(_comparison, done.compared)))
    write_text(folder / PREDICTIONS, _predictions(done.scored))
    if options.page:
        write_text(folder / PAGE, evaluation_html(done, target, sets, said, options))
    write_json(folder / CARD, _card(study, done, target, sets, said, options))


def _card(
    study: Study,
    done: Evaluated,
    target: Target,
    sets: Sequence[FeatureSet],
    said: Sequence[str],
    options: EvaluateOptions,
) -> dict[str, Any]:
    return {
        "format": 1,
        "kind": "evaluation",
        "study": study.root,
        "options": options.model_dump(mode="json"),
        "target": {"name": target.name, "unit": target.unit, "kind": target.kind, "made_of": target.variables},
        "features": [
            {
                "name": each.name,
                "file": each.images.file,
                "run": each.images.card.get("run"),
                "trained_on": each.trained_on,
                "table_sha256": each.images.card.get("table_sha256"),
                "images": len(each.images),
                "exams": len(set(each.keys)),
                "seen": any(one.found.seen for one in done.scored if one.candidate.of is each),
            }
            for each in sets
        ],
        "said": said,
        "versions": versions(),
        "seconds": round(done.seconds, 1),
    }


def _scores(scored: Sequence[Scored], target: Target) -> Iterator[dict[str, Any]]:
    for each in scored:
        found = each.found
        line: dict[str, Any] = {"features": each.candidate.name, "role": each.candidate.role, "probe": each.probe}
        line |= {"fitted_on": found.fitted_on, "seen": "yes" if found.seen else "no", "reason": found.reason}
        if found.pooled is None:
            yield {**line, "score": MAIN_SCORE[target.kind]}
            continue
        pooled = found.pooled
        line |= {"cases": len(pooled.cases), "fits": len(pooled.parts)}
        line |= {"without_target": pooled.without_target, "without_covariates": pooled.without_covariates}
        for name, interval in found.scores.items():
            numbers = {"value": interval.value, "low": interval.low, "high": interval.high, "level": interval.level}
            tested = found.permuted if name == MAIN_SCORE[target.kind] else None
            if tested is not None:
                numbers |= {"p": tested.p, "permutations": tested.permutations, "chance": tested.chance}
            yield {**line, "score": name, **numbers, "patients": interval.patients}


def _comparison(each: Compared) -> dict[str, Any]:
    found = each.found
    told = found.difference
    return {
        **{"first": found.first, "second": found.second, "probe": each.probe, "fitted_on": each.fitted_on},
        **{"score": found.score, "difference": told.value, "low": told.low, "high": told.high, "level": told.level},
        **{"p": told.p, "p_corrected": found.p_corrected, "correction": "holm"},
        **{"cases": found.cases, "patients": found.patients, "left_out": found.left_out},
    }


def _predictions(scored: Sequence[Scored]) -> str:
    known = [each for each in scored if each.found.pooled is not None]
    pooled = known[0].found.pooled
    classes = sorted({name for each in known if each.found.pooled for name in each.found.pooled.classes})
    more = [f"share_{name}" for name in classes]
    if pooled is not None and pooled.kind == "survival":
        more = ["event"]
    return _csv((*PREDICTION_COLUMNS, *more), (line for each in known for line in _lines(each)))


def _lines(each: Scored) -> Iterator[dict[str, Any]]:
    found = each.found
    pooled = found.pooled
    if pooled is None:
        return
    line = {"features": each.candidate.name, "probe": each.probe, "fitted_on": found.fitted_on}
    line["seen"] = "yes" if found.seen else "no"
    for case, truth, said in zip(pooled.cases.tolist(), pooled.truth.tolist(), pooled.predicted.tolist(), strict=True):
        patient, _, exam = case.partition(BETWEEN)
        row = {**line, "patient": patient, "exam": exam}
        if pooled.kind == "numeric":
            yield {**row, "truth": truth, "predicted": said}
        elif pooled.kind == "survival":
            yield {**row, "truth": truth[0], "event": int(truth[1]), "predicted": said}
        else:
            shares = {f"share_{name}": share for name, share in zip(pooled.classes, said, strict=True)}
            most = pooled.classes[max(range(len(said)), key=said.__getitem__)]
            yield {**row, "truth": pooled.classes[int(truth)], "predicted": most, **shares}


def _csv(columns: Sequence[str], lines: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: _written(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _written(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if value != value else f"{value:.6g}"
