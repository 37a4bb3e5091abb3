"""Reads a CSV table as spreadsheets really export them.

Delimiter `,`, `;`, tab or `|` (Excel's `sep=` line is honoured), quotes, line breaks in quoted cells,
comment lines, empty lines and trailing delimiters; every row keeps its line number. What cannot be read for
certain (ragged rows, a quote that is never closed, values without a header) is a problem with its row,
never a guess.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medcl.study.problems import Problems
from medcl.study.text import read_text

DELIMITERS = (",", ";", "\t", "|")
_LINE_BREAK = re.compile(r"\s*[\r\n]\s*")
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u00ad"))


@dataclass(frozen=True)
class Table:
    """Cells as text, stripped; `rows[i][j]` stands under `header[j]` and on line `lines[i]` of the file."""

    file: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    header_line: int = 0
    delimiter: str = ","
    comments: list[str] = field(default_factory=list)

    def column(self, index: int) -> list[str]:
        """All cells of one column."""
        return [row[index] for row in self.rows]


def read_table(file: Path, problems: Problems, recognise: Callable[[str], bool] | None = None) -> Table:
    """Read a table; what is wrong with it goes to `problems`.

    Args:
        file: the table.
        problems: collects what is wrong, with row.
        recognise: whether a header is one of the expected names; helps to tell the delimiter.

    Raises:
        BadInput: the file is missing or no text.
    """
    text = read_text(file, problems)
    told = re.match(r"\s*\"?sep=(.)\"?[^\r\n]*\r\n?|\s*\"?sep=(.)\"?[^\r\n]*\n", text[:20], re.IGNORECASE)
    delimiter = (told[1] or told[2]) if told else _delimiter(text, recognise or (lambda name: False))
    records, comments = _records(text, delimiter, problems, skip=1 if told else 0)
    if not records:
        if not problems:
            problems.add("the table is empty: it has no header")
        return Table(file, [], [], [], 0, delimiter, comments)
    header_line, header = records[0]
    while header and not header[-1]:
        header.pop()
    rows, lines = [], []
    for line, cells in records[1:]:
        fitted = _fit(cells, len(header), delimiter, line, problems)
        if fitted is not None:
            rows.append(fitted)
            lines.append(line)
    _refuse_values_without_header(header, rows, lines, problems)
    return Table(file, header, rows, lines, header_line, delimiter, comments)


def _records(
    text: str, delimiter: str, problems: Problems, skip: int = 0
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """All rows with a value as (line number, cells), header first, and the comment lines."""
    lines = _Lines(text)
    for _ in range(skip):
        next(lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str]]] = []
    comments: list[str] = []
    cleaned = _Cleaned()
    while True:
        start = lines.count + 1
        raw = lines.peek()
        if raw.lstrip().startswith("#"):  # told before csv sees it: a comment may hold single quotes
            next(lines)
            _refuse_doubtful_comment(raw, delimiter, bool(records), start, problems)
            comments.append(raw.strip())
            continue
        try:
            cells = [cleaned[cell] for cell in next(reader)]
        except StopIteration:
            return records, comments
        except csv.Error as error:
            problems.add(_explain(error, lines.count), row=start, kind="broken quotes")
            return records, comments
        if not any(cells):
            continue
        if cells[0].startswith("#") and not (records and any(cells[1:])):  # a comment that a spreadsheet quoted
            comments.append(delimiter.join(cells).rstrip(delimiter))
        else:
            records.append((start, cells))


class _Lines:
    """The lines of a text for csv.reader, counted, with a look at the next one."""

    def __init__(self, text: str) -> None:
        self.source = io.StringIO(text, newline="")
        self.count = 0
        self.ahead: str | None = None

    def __iter__(self) -> _Lines:
        return self

    def peek(self) -> str:
        """The next line, "" at the end."""
        if self.ahead is None:
            self.ahead = self.source.readline()
        return self.ahead

    def __next__(self) -> str:
        line = self.peek()
        self.ahead = None
        if not line:
            raise StopIteration
        self.count += 1
        return line


def _refuse_doubtful_comment(raw: str, delimiter: str, after_header: bool, line: int, problems: Problems) -> None:
    """Below the header `# P1;...` is a comment, but `#12;...` may be a patient: no reading is certain."""
    first, *others = (_clean(cell) for cell in raw.split(delimiter))
    if not after_header or re.match(r"#+(\s|$)", first) or not any(others):
        return
    problems.add(
        f"begins with '{first}': to make the row a comment write '# ' with a space; "
        f'when it is a value, put it in quotes: "{first}"',
        row=line,
        kind="'#' without a space",
    )


class _Cleaned(dict[str, str]):
    """Cells as `_clean` makes them, each distinct one once: long tables repeat theirs."""

    def __missing__(self, cell: str) -> str:
        self[cell] = clean = _clean(cell)
        return clean


def _clean(cell: str) -> str:
    """The cell without invisible signs and outer white space (no-break spaces too); line breaks become spaces."""
    if not cell.isascii():
        cell = cell.translate(_INVISIBLE)
    cell = cell.strip()
    return _LINE_BREAK.sub(" ", cell) if "\n" in cell or "\r" in cell else cell


def _fit(cells: list[str], width: int, delimiter: str, line: int, problems: Problems) -> list[str] | None:
    if len(cells) > width and not any(cells[width:]):
        return cells[:width]
    if len(cells) == width:
        return cells
    name = {"\t": "tab", " ": "space"}.get(delimiter, delimiter)
    if len(cells) > width:
        why = f"a value that holds '{name}' needs quotes, or the header misses a column"
        if delimiter == ",":
            why += "; tables with decimal commas need ';' between the columns"
    else:
        why = (
            f"a '{name}' is missing, or empty cells at the end were left out on saving "
            "(Excel does that: write NA into the last column)"
        )
    problems.add(f"has {len(cells)} cells where the header has {width}: {why}", row=line, kind="ragged rows")
    return None


def _refuse_values_without_header(
    header: list[str], rows: list[list[str]], lines: list[int], problems: Problems
) -> None:
    """Columns without a name are taken out when they are empty and refused when they hold values."""
    for index in reversed([index for index, name in enumerate(header) if not name]):
        line = next((line for row, line in zip(rows, lines, strict=True) if row[index]), None)
        if line is not None:
            problems.add(f"column {index + 1} holds values but has no header: name it or empty it", row=line)
        del header[index]
        for row in rows:
            del row[index]


def _explain(error: csv.Error, line: int) -> str:
    text = str(error)
    if "unexpected end of data" in text or "field larger" in text:
        return 'a cell that begins here with a quote (") is never closed; nothing below could be read'
    if "expected after" in text:
        return f'line {line}: a closing quote (") is followed by text; write a quote inside a cell twice ("")'
    return f"cannot be read ({text})"


def _delimiter(text: str, recognise: Callable[[str], bool]) -> str:
    """The delimiter that gives most known names, then most rows as wide as the header, then the widest."""
    return max(DELIMITERS, key=lambda delimiter: _plausibility(text, delimiter, recognise))


def _plausibility(text: str, delimiter: str, recognise: Callable[[str], bool]) -> tuple[int, float, int]:
    ignored = Problems(Path())
    records, _ = _records(text[:200_000], delimiter, ignored)
    if not records:
        return 0, 0.0, 0
    header = records[0][1]
    if len(header) < 2:
        return 0, 0.0, 0
    same = sum(len(cells) == len(header) for _, cells in records[1:])
    known = len({name for name in header if name and recognise(name)})
    return known, same / max(1, len(records) - 1), len(header)
