"""What tells clusters apart clinically: a table of variables by clusters, so that a clinician can name the strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medcl.figures.clustering.cluster import Cluster
from medcl.figures.clustering.marks import marked_name
from medcl.figures.labels import capital, pretty_unit, readable

STYLE = """
table.strata { width: auto; max-width: none; }
table.strata thead th { padding: 4px 7px; font-weight: 650; }
table.strata .cluster-name { white-space: nowrap; }
table.strata td, table.strata th { padding: 4px 8px; }
table.strata td { white-space: pre; }
table.strata td:last-child { min-width: 3em; }
table.strata tbody th { font-weight: 600; min-width: 13em; max-width: 22em; position: sticky; left: 0;
  background: var(--paper); box-shadow: inset 0 -1px 0 var(--line); }
table.strata small { display: block; color: var(--soft); font-weight: 400; font-size: 12px; }
#strata p { margin-top: 8px; }
@media print { table.strata tbody th { position: static; min-width: 0; } table.strata td { white-space: pre-line; }
  table.strata .cluster-name { white-space: normal; flex-wrap: wrap; } }
"""


@dataclass(frozen=True)
class StratumRow:
    """One clinical variable over the clusters.

    Attributes:
        name: the variable's canonical name.
        unit: as the table's header has it; "" when there is none.
        cells: one for each cluster, in their order: "52 [44–61] (31)", or percentages of classes, each on a
            line ("\\n" between them; nothing else breaks a line).
        effect: how far clusters differ, 0 for not at all; None where it cannot be told.
        effect_name: of the measure, such as "ε²" or "Cramér's V".
        p: corrected; None where nothing was tested.
        missing: how many of those counted have no value.
        note: what a reader must know of this row; "" where there is nothing.
    """

    name: str
    unit: str
    cells: tuple[str, ...]
    effect: float | None
    effect_name: str
    p: float | None
    missing: int
    note: str = ""


@dataclass(frozen=True)
class Strata:
    """The table.

    Attributes:
        rows: one a variable, in any order.
        correction: how p-values are corrected for the number of variables, such as "Holm"; "" where they are not.
        counted: what the numbers in brackets count: "patients", "exams" or "images".
    """

    rows: tuple[StratumRow, ...]
    correction: str = ""
    counted: str = "patients"


def strata_table(strata: Strata, clusters: Sequence[Cluster]) -> str:
    """The table as HTML, the variable with the greatest effect first; nothing where there is no variable."""
    if not strata.rows:
        return ""
    heads = "".join(f'<th scope="col">{marked_name(place, each.name)}</th>' for place, each in enumerate(clusters))
    rows = "".join(_row(row) for row in greatest_first(strata.rows))
    p_value = "p, corrected" if strata.correction else "p, not corrected"
    return (
        '<section id="strata"><h2>Clinical variables by cluster</h2>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Clinical variables by cluster">'
        f'<table class="strata"><thead><tr><th scope="col">Variable</th>{heads}<th scope="col" class="number">'
        f'Effect size</th><th scope="col" class="number">{p_value}</th><th scope="col" class="number">Missing</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div><p>{escape(_reading(strata))}</p></section>"
    )


def greatest_first(rows: Sequence[StratumRow]) -> list[StratumRow]:
    """Rows by effect size, those without one last; of equal ones the first stays first."""
    return sorted(rows, key=lambda row: (row.effect is None, -abs(row.effect or 0.0)))


def p_words(p: float | None) -> str:
    """A p-value as it is written: "<0.001", to three places, "–" where nothing was tested."""
    return "–" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _reading(strata: Strata) -> str:
    corrected = (
        f"p-values are corrected for the number of variables ({strata.correction})"
        if strata.correction
        else ("p-values are not corrected for the number of variables")
    )
    return (
        f"Numbers: median [first to third quartile] (how many {strata.counted} have a value); classes: percentages of "
        "those with a value. Rows stand by effect size (0: no difference between the clusters), the greatest first; "
        f"sizes of different measures compare only roughly. {corrected} and tell of association only: the clusters "
        "were made from images of these same patients, no hypothesis came before them, and an association in the "
        "training patients has to come back in held-out ones before it means anything."
    )


def _row(row: StratumRow) -> str:
    unit = pretty_unit(row.unit)
    name = capital(readable(row.name)) + (f" ({unit})" if unit else "")
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row.cells)
    effect = "–" if row.effect is None else f"{row.effect:.2f}"
    measure = f"<small>{escape(row.effect_name)}</small>" if row.effect is not None and row.effect_name else ""
    return (
        f'<tr><th scope="row">{escape(name)}{note}</th>{cells}<td class="number">{effect}{measure}</td>'
        f'<td class="number">{escape(p_words(row.p))}</td><td class="number">{row.missing:,}</td></tr>'
    )
