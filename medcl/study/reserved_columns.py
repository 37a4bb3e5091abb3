"""Reading the columns that medcl itself knows, which a table may lack."""

from __future__ import annotations

from medcl.study.cells import is_missing
from medcl.study.table import Table


class ReservedColumns:
    """What readers of a table share.

    Attributes:
        table: the table.
        columns: index of each reserved column that is there.
    """

    table: Table
    columns: dict[str, int]

    def header(self, name: str) -> str:
        """The header of a reserved column as the table writes it."""
        return self.table.header[self.columns[name]] if name in self.columns else name

    def texts(self, name: str) -> list[str]:
        """Cells of a reserved column, "" where missing or when there is no such column."""
        if name not in self.columns:
            return [""] * len(self.table.rows)
        return ["" if is_missing(cell) else cell for cell in self.table.column(self.columns[name])]
