"""The page of `medcl evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medcl.figures import sortable_table, strip_plot
from medcl.figures.clustering import score_table
from medcl.figures.clustering.score_table import Cell, ScoreTable, score_tables
from medcl.figures.evaluation_page import against_truth, forest
from medcl.figures.evaluation_page.against_truth import Predictions
from medcl.figures.evaluation_page.score_row import ComparisonRow, ScoreRow
from medcl.figures.page import footer, notes, page

SCORES = {
    "r2": "R²",
    "mae": "Mean absolute error",
    "auc": "Area under the curve",
    "balanced_accuracy": "Balanced accuracy",
    "concordance": "Concordance",
}
NOTHING = {"r2": 0.0, "auc": 0.5, "concordance": 0.5}
"""What a guess gets of each main score."""

STYLE = """
body section:not(.notes) { margin-top: 26px; }
section > h2 { font-size: 17px; break-after: avoid; }
table.scores tbody th { min-width: 16em; overflow-wrap: anywhere; }
"""

_READING = {
    "r2": "R²: share of the variance that is predicted; 1 is perfect, 0 a constant guess at the mean of the scored "
    "patients, below 0 worse than that.",
    "auc": "Area under the ROC curve: how often a patient with a class gets more of it than one without; 0.5 is a "
    "guess. Of three or more classes the mean of each against the rest.",
    "concordance": "Concordance (Harrell): of two patients of whom one had the event first, how often the greater risk "
    "is told of that one; 0.5 is a guess.",
}

SEEN = (
    "SEEN IN TRAINING: rows so marked score patients that their encoder was trained with (--allow-seen). They say "
    "nothing of new patients and must not be reported as held-out results. All rows are fitted part by part inside the "
    "scored patients, the seen ones among them."
)


def evaluation_page(
    rows: Sequence[ScoreRow],
    compared: Sequence[ComparisonRow],
    predictions: Sequence[Predictions],
    *,
    target: str,
    kind: str,
    main: str,
    trained_on_it: Sequence[str] = (),
    site_left_out: bool = False,
    said: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """The whole page as HTML.

    Args:
        rows: of the table.
        compared: pairs of rows.
        predictions: to be drawn against the truth.
        target: name and unit, plain text.
        kind: what the target is, in words.
        main: name of the main score.
        trained_on_it: sets of features whose encoder was trained by the target itself.
        site_left_out: whether each site was scored by probes of the others.
        said: what was left out or refused, in sentences.
        facts: for the footer.
    """
    marked = [SEEN] if any(row.seen and row.scores for row in rows) else []
    refused = [f"{row.label}, fitted on {row.fitted_on}, has no score: {row.reason}" for row in rows if row.reason]
    body = [
        notes("Before you read on", [*marked, *dict.fromkeys([*said, *refused])]),
        score_tables([_table(rows)]),
        forest.forest(rows, main, NOTHING[main], f"{SCORES[main]} with 95% intervals"),
        score_tables([_comparisons(compared, main)]).replace('id="scores"', 'id="comparisons"', 1),
        against_truth.against_truth(predictions, target),
        notes("How to read this page", _reading(main, trained_on_it, site_left_out)),
        footer(facts or {}),
    ]
    return page(
        f"What the features tell of {target}",
        body,
        kicker="medcl · evaluate",
        subtitle=f"A {kind}, scored in patients that the encoder never saw."
        if not marked
        else f"A {kind}; PATIENTS SEEN IN TRAINING ARE SCORED.",
        style=sortable_table.STYLE + strip_plot.STYLE + score_table.STYLE + forest.STYLE + against_truth.STYLE + STYLE,
    )


def _table(rows: Sequence[ScoreRow]) -> ScoreTable:
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    lines = []
    for row in rows:
        if not row.scores:
            continue
        cells: list[Cell] = [row.name + (" · seen in training" if row.seen else ""), row.role, row.probe or "–"]
        cells += [row.fitted_on, *(str(row.scores[name]) if name in row.scores else None for name in names)]
        lines.append((*cells, _p(row.p), row.cases, row.patients))
    shown = (SCORES.get(name, name) for name in names)
    heads = ("Features", "What", "Probe", "Probe fitted on", *shown, "p", "Exams", "Patients")
    about = "With 95% intervals, by drawing patients; p by permutation of the labels, one-sided."
    return ScoreTable("Scores", heads, tuple(lines), about)


def _comparisons(compared: Sequence[ComparisonRow], main: str) -> ScoreTable:
    lines: list[tuple[Cell, ...]] = [
        (
            *(f"{row.first} less {row.second}", row.probe, row.fitted_on, str(row.difference)),
            *(_p(row.p), _p(row.p_corrected), row.cases),
        )
        for row in compared
    ]
    heads = ("Pair", "Probe", "Probe fitted on", f"Difference of {SCORES[main]}", "p", "p, corrected", "Exams")
    about = (
        "On the exams that both predict, by drawing patients; p corrected (Holm) over the pairs of one probe and fit."
    )
    return ScoreTable("Comparisons", heads, tuple(lines), about)


def _p(value: float | None) -> Cell:
    return None if value is None or value != value else f"{value:.3g}"


def _reading(main: str, trained_on_it: Sequence[str], site_left_out: bool) -> list[str]:
    said = [
        "Fitted on training patients: the probe learnt from the patients that the encoder was trained with, and is "
        "scored on others. Fitted on held-out patients: the probe learnt from other held-out patients, part by part. "
        "Where an encoder knows its training patients by heart, the first fit fails and the second shows what the "
        "features hold for new patients.",
        _READING[main],
        "Features mean something where they stand above the baselines on the same patients; the table of comparisons "
        "says whether that is more than chance.",
        "Intervals and p tell of other patients, not of another training of the encoder.",
    ]
    if trained_on_it:
        said.insert(
            1, f"The encoder of {', '.join(trained_on_it)} was trained by this target: read the fit inside the "
            "held-out patients first."
        )  # fmt: skip
    if site_left_out:
        said.append(
            "Each site was scored by probes of the other sites. The encoder was blind to it only if its training left "
            "the site out, too."
        )
    return said
