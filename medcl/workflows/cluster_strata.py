"""strata.csv, and the same for the page: what tells the clusters' patients apart clinically."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.evaluation.strata import strata
from medcl.evaluation.strata_table import RowVariable, StrataRow, StrataTable, Stratum
from medcl.study.files import write_text
from medcl.workflows.cluster_outcome import ClusterOutcome

if TYPE_CHECKING:
    from medcl.figures.clustering.strata import Strata

TABLE = "strata.csv"
COLUMNS = (
    *("variable", "unit", "kind", "cluster", "known", "missing", "median", "q1", "q3", "class", "count", "percent"),
    *("effect_against_rest", "test", "statistic", "effect_name", "effect", "p", "p_corrected", "note"),
)


def cluster_strata(outcome: ClusterOutcome, names: Sequence[str]) -> StrataTable | None:
    """Compare the clusters' patients by clinical variables; None where there is no variable.

    Args:
        outcome: with the images' cohort.
        names: of the variables; "all" is every one.

    Raises:
        BadInput: a variable is not known.
    """
    cohort = outcome.images.cohort
    every = [word.casefold() for word in names] == ["all"]
    variables = list(cohort.variables.values()) if every else [cohort.variable(name) for name in names]
    if not variables:
        return None
    rows = outcome.found.rows
    cases = outcome.samples.cases[rows]
    return strata(
        outcome.found.clusters,
        outcome.samples.patients[rows],
        [RowVariable(each.name, each.unit, each.kind, each.values.reindex(cases).to_numpy()) for each in variables],
        outcome.clusters,
        seed=outcome.seed,
    )


def write_strata(folder: Path, table: StrataTable) -> None:
    """Write one row for each variable and cluster, and of classes for each class; whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in table.rows:
        writer.writerows(_lines(row))
    write_text(folder / TABLE, text.getvalue())


def shown_strata(table: StrataTable) -> Strata:
    """The table as the page takes it."""
    from medcl.figures.clustering.strata import Strata, StratumRow

    rows = []
    for row in table.rows:
        tested = not row.difference.reason
        rows.append(
            StratumRow(
                name=row.name,
                unit=row.unit,
                cells=tuple(map(_cell, row.strata)),
                effect=row.difference.effect if tested else None,
                effect_name=row.difference.effect_name,
                p=row.p_corrected if tested else None,
                missing=sum(each.missing for each in row.strata),
                note=" ".join(part for part in (row.difference.reason, row.note) if part),
            )
        )
    return Strata(tuple(rows), table.correction.capitalize())


def _lines(row: StrataRow) -> Iterator[dict[str, Any]]:
    found = row.difference
    common = {"variable": row.name, "unit": row.unit, "kind": row.kind, "note": found.reason or row.note}
    if not found.reason:
        common |= {"test": found.test, "effect_name": found.effect_name}
        numbers = {"statistic": found.statistic, "effect": found.effect, "p": found.p, "p_corrected": row.p_corrected}
        common |= {name: f"{value:.6g}" for name, value in numbers.items()}
    for each in row.strata:
        line = {**common, "cluster": each.cluster + 1, "known": each.known, "missing": each.missing}
        if each.counts:
            for (name, count), (_, percent) in zip(each.counts, each.percents, strict=True):
                yield {**line, "class": name, "count": count, "percent": f"{percent:.4g}"}
            continue
        told = {"median": each.median, "q1": each.lower, "q3": each.upper, "effect_against_rest": each.effect}
        yield {**line, **{name: f"{value:.6g}" for name, value in told.items() if value is not None}}


def _cell(each: Stratum) -> str:
    if not each.known:
        return "–"
    if each.counts:
        return "\n".join(f"{name}: {percent:.0f}% ({count})" for (name, count), (_, percent) in _pairs(each))
    return f"{each.median:.4g} [{each.lower:.4g}–{each.upper:.4g}] ({each.known})"


def _pairs(each: Stratum) -> Iterator[tuple[tuple[str, int], tuple[str, float]]]:
    return zip(each.counts, each.percents, strict=True)
