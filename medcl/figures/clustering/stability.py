"""How far the clusters come out again: adjusted Rand index between repeats, as dots, numbers and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medcl.figures.strip_plot import Strip, round_limits, strip_plot
from medcl.study.plural import counted

STYLE = """
table.stability { width: auto; font-size: 14px; }
table.stability td, table.stability th, table.stability thead th { padding: 3px 14px 3px 7px; white-space: normal; }
table.stability thead th { font-weight: 650; }
.stable h3 { margin: 0 0 4px; font-size: 14px; font-weight: 650; }
.stable .strips { grid-template-columns: 1fr; margin-top: 0; }
"""

VERDICTS = (
    (0.9, "almost the same clusters come out each time"),
    (0.8, "much the same clusters come out each time"),
    (0.65, "clusters come out again in part: check what you build on a single one"),
    (-1.0, "other clusters come out each time: do not build on these"),
)
"""Words for a mean index, by the least value they hold from: excellent, good, moderate and poor recovery by
D. Steinley, Psychological Methods 9, 386 (2004)."""

_COLOUR = "#0072B2"


@dataclass(frozen=True)
class Agreement:
    """Repeats of the clustering of one kind.

    Attributes:
        name: what was repeated, such as "other seeds" or "bootstrap".
        values: adjusted Rand index of each comparison, at most 1.
        low, high: limits of the interval of the mean or of the values; None where there is none.
        interval: what the limits are, such as "95% of the bootstrap draws"; "" where there are none.
    """

    name: str
    values: tuple[float, ...]
    low: float | None = None
    high: float | None = None
    interval: str = ""

    @property
    def mean(self) -> float:
        """Mean of the values; NaN without any."""
        return sum(self.values) / len(self.values) if self.values else float("nan")


def verdict(mean: float) -> str:
    """Words for a mean index; "not known" of NaN."""
    return next((words for least, words in VERDICTS if mean >= least), "not known")


def stability(agreements: Sequence[Agreement]) -> str:
    """The block as HTML; nothing where nothing was repeated."""
    if not agreements:
        return ""
    rows = "".join(_row(each) for each in agreements)
    return (
        '<section id="stability" class="stable"><h2>Stability</h2>'
        f'<div class="strips">{_dots(agreements)}</div>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Stability"><table class="stability"><thead><tr>'
        '<th scope="col">Repeated with</th><th scope="col" class="number">Mean</th><th scope="col">Interval</th>'
        f'<th scope="col">In words</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _dots(agreements: Sequence[Agreement]) -> str:
    known = [value for each in agreements for value in each.values]
    strips = [
        Strip(each.name, _COLOUR, each.values, [f"comparison {place}" for place in range(1, len(each.values) + 1)])
        for each in agreements
    ]
    limits = round_limits(min([0.0, *known]), 1.0)
    return strip_plot("Adjusted Rand index", strips, limits, over="of every comparison, by what was repeated")


def _row(each: Agreement) -> str:
    between = f"{each.low:.2f} to {each.high:.2f}" if each.low is not None and each.high is not None else "–"
    between += f" ({each.interval})" if each.interval and between != "–" else ""
    told = f"{each.name} ({counted(len(each.values), 'comparison')})"
    mean = f"{each.mean:.2f}" if each.values else "–"
    return (
        f'<tr><th scope="row">{escape(told)}</th><td class="number">{mean}</td><td>{escape(between)}</td>'
        f"<td>{verdict(each.mean)}</td></tr>"
    )
