"""evaluation.csv and evaluation.html of `medcl cluster evaluate`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from medcl.evaluation.clustering_table import EvaluationRow
from medcl.study.files import write_text
from medcl.workflows.cluster_opened import OpenedClustering

if TYPE_CHECKING:
    from medcl.figures.clustering.score_table import Cell, ScoreTable
    from medcl.workflows.cluster_evaluate import ClusterEvaluateOptions

TABLE, PAGE = "evaluation.csv", "evaluation.html"

SHOWN = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision_macro": "Precision, macro",
    "recall_macro": "Recall, macro",
    "precision_weighted": "Precision, weighted",
    "recall_weighted": "Recall, weighted",
    "auc": "AUC",
}
"""Scores of the page; the table has all."""

CLUSTERING = {"nmi": "NMI", "ari": "Adjusted Rand", "purity": "Purity", "hungarian": "Hungarian accuracy"}


def write_evaluation(
    folder: Path,
    opened: OpenedClustering,
    rows: Sequence[EvaluationRow],
    labels: str,
    options: ClusterEvaluateOptions,
) -> None:
    """Write the table and, where wanted, the page; an older page goes where none is wanted.

    Raises:
        RunFailed: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / TABLE, evaluation_csv(rows))
    (folder / PAGE).unlink(missing_ok=True)
    if options.page:
        write_text(folder / PAGE, _page(folder, opened, rows, labels, options))


def evaluation_csv(rows: Sequence[EvaluationRow]) -> str:
    """One line for each method, budget of labels, seed and split."""
    lines = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def mean_over_seeds(rows: Sequence[EvaluationRow]) -> list[tuple[EvaluationRow, dict[str, float], dict[str, float]]]:
    """Rows that differ in the seed alone as one: a first row, the means of its scores, and their spread.

    The spread is the standard deviation over the seeds; a score without two values has none.
    """
    groups: dict[tuple[Any, ...], list[EvaluationRow]] = {}
    for row in rows:
        groups.setdefault((row.method, row.features, row.share, row.split), []).append(row)
    found = []
    for same in groups.values():
        values = {name: [value for row in same if (value := _scores(row).get(name)) is not None] for name in SCORES}
        means = {name: fmean(each) for name, each in values.items() if each}
        spreads = {name: stdev(each) for name, each in values.items() if len(each) > 1}
        found.append((same[0], means, spreads))
    return found


SCORES = (*SHOWN, *CLUSTERING)


def _scores(row: EvaluationRow) -> dict[str, float]:
    every = {**asdict(row.scores), **(asdict(row.clustering) if row.clustering else {})}
    return {
        name: float(value) for name, value in every.items() if name in SCORES and value is not None and value == value
    }


def _flat(row: EvaluationRow) -> dict[str, Any]:
    told = asdict(row)
    scores, clustering = told.pop("scores"), told.pop("clustering")
    note = told.pop("note")
    line = {name: "" if value is None else value for name, value in told.items()}
    numbers = {**scores, **(clustering or {})}
    line |= {name: _number(value) for name, value in numbers.items()}
    return {**line, "note": note}


def _number(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _page(
    folder: Path,
    opened: OpenedClustering,
    rows: Sequence[EvaluationRow],
    labels: str,
    options: ClusterEvaluateOptions,
) -> str:
    from medcl.figures import sortable_table
    from medcl.figures.clustering import score_table
    from medcl.figures.page import footer, notes, page
    from medcl.study.plural import counted

    tables = [_table(split, rows) for split in dict.fromkeys(row.split for row in rows)]
    card = opened.saved.card
    said = [
        "Labels of training patients fit the map, the memory bank and the linear layer; those of the patients that are "
        "scored are read for scoring alone.",
        f"Rows of {options.share:.0%} of the labels are means over {counted(options.repeats, 'draw')} of the labelled "
        "patients, with the standard deviation.",
        "A row of the run means something where it stands above the rows of pixels that read as many labels.",
    ]
    facts = {
        "Run": opened.run.name,
        "Images": str(card.get("npz") or f"preprocessed/{card.get('preprocessed')}"),
        "Labels": labels,
        "Seed": str(options.seed),
        "Table": f"clusters/{folder.name}/{TABLE}",
    }
    return page(
        f"What the clusters of {opened.run.name} tell about {labels}",
        [score_table.score_tables(tables), notes("How to read this page", said), footer(facts)],
        kicker="medcl · cluster evaluate",
        subtitle=f"{opened.saved.clusters} clusters; map from clusters, nearest neighbours and a linear layer, beside "
        "what the pixels alone tell.",
        style=sortable_table.STYLE + score_table.STYLE,
    )


def _table(split: str, rows: Sequence[EvaluationRow]) -> ScoreTable:
    from medcl.figures.clustering.score_table import ScoreTable

    here = [row for row in rows if row.split == split]
    lines = []
    for row, means, spreads in mean_over_seeds(here):
        cells: list[Cell] = [row.method, row.features, f"{row.share:.0%} ({row.labelled:,})"]
        cells += [_written(means, spreads, name) for name in SCORES]
        lines.append(tuple(cells))
    heads = ("Method", "From", "Labels read", *SHOWN.values(), *CLUSTERING.values())
    title = {"val": "Validation patients", "test": "Test patients"}.get(split, split)
    return ScoreTable(f"{title} ({here[0].scored:,} images)", heads, tuple(lines))


def _written(means: dict[str, float], spreads: dict[str, float], name: str) -> Cell:
    if name not in means:
        return None
    return f"{means[name]:.3f} ± {spreads[name]:.3f}" if name in spreads else means[name]
