"""The rows that a page shows: who they are, and what stands beside each point when it is pointed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from medcl.figures.colouring import Colouring
from medcl.figures.labels import SPLITS, capital, readable


@dataclass(frozen=True)
class Points:
    """N rows of a feature table.

    Attributes:
        patients, exams, sequences: (N,) names, "" where a row has none (sequences after averaging over them).
        splits: (N,) keys of `SPLITS`.
        variables: what the hover text lists, in order.
        show_ids: false leaves the patients' names out of the page.
    """

    patients: list[str]
    exams: list[str]
    sequences: list[str]
    splits: list[str]
    variables: list[Colouring] = field(default_factory=list)
    show_ids: bool = True

    def __len__(self) -> int:
        return len(self.patients)

    def hover(self) -> list[str]:
        """(N,) hover texts in the small HTML that plotly reads; what users wrote is escaped."""
        columns = [[variable.written(row) for row in range(len(self))] for variable in self.variables]
        names = [capital(readable(variable.name)) for variable in self.variables]
        return [self._hover_of(row, names, [column[row] for column in columns]) for row in range(len(self))]

    def _hover_of(self, row: int, names: list[str], values: list[str]) -> str:
        patient = self.patients[row] if self.show_ids else ""
        place = " · ".join(escape(part) for part in (self.exams[row], self.sequences[row]) if part)
        head = " · ".join(part for part in (f"<b>{escape(patient)}</b>" if patient else "", place) if part)
        lines = [head, SPLITS[self.splits[row]].replace("patients", "patient")]
        lines += [f"{escape(name)}: {escape(value)}" for name, value in zip(names, values, strict=True)]
        return "<br>".join(line for line in lines if line)
