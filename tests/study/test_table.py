"""The table reader: what any spreadsheet writes is read back, what is torn is refused with its row."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.names import reserved_name
from medcl.study.problems import Problems
from medcl.study.table import Table, read_table


def read(folder: Path, text: str | bytes) -> tuple[Table, list[str]]:
    file = folder / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    problems = Problems(file)
    return read_table(file, problems, lambda name: reserved_name(name) is not None), problems.lines()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = ["patient,image,x", "P1,a.nii,1", "", "P2,b.nii,2"]
    table, problems = read(tmp_path, end.join(line.replace(",", delimiter) for line in lines) + end)
    assert problems == []
    assert table.header == ["patient", "image", "x"]
    assert table.rows == [["P1", "a.nii", "1"], ["P2", "b.nii", "2"]]
    assert (table.header_line, table.lines, table.delimiter) == (1, [2, 4], delimiter)
    assert table.column(2) == ["1", "2"]


def test_decimal_commas_do_not_pass_for_delimiters(tmp_path: Path) -> None:
    table, problems = read(tmp_path, "patient;image (path, absolute);size\nP1;a;1,5\nP2;b;2,5\n")
    assert problems == []
    assert table.header == ["patient", "image (path, absolute)", "size"]
    assert table.rows == [["P1", "a", "1,5"], ["P2", "b", "2,5"]]


def test_known_names_decide_between_equally_wide_headers(tmp_path: Path) -> None:
    table, _ = read(tmp_path, "patient;image,x\nP1;a,b\n")
    assert table.header == ["patient", "image,x"]


def test_excels_sep_line_is_honoured(tmp_path: Path) -> None:
    table, problems = read(tmp_path, "sep=|\r\npatient|a,b,c,d\r\nP1|1,2,3,4\r\n")
    assert problems == []
    assert table.header == ["patient", "a,b,c,d"]
    assert table.lines == [3]


def test_quotes_and_line_breaks_in_cells_keep_line_numbers(tmp_path: Path) -> None:
    table, problems = read(tmp_path, 'patient,"eGFR\n[mL/min]",note\nP1,1,"two\nlines, ""quoted"""\nP2,2,5" x\n')
    assert problems == []
    assert table.header == ["patient", "eGFR [mL/min]", "note"]
    assert table.rows == [["P1", "1", 'two lines, "quoted"'], ["P2", "2", '5" x']]
    assert table.lines == [3, 5]


def test_comments_are_left_out_also_with_quotes_and_delimiters(tmp_path: Path) -> None:
    text = '# one, "two" it\'s,"x"y\n#two\n"# three, quoted",,\npatient,image,x\n# P0,a,1\nP1,a,1\n#,,\n'
    table, problems = read(tmp_path, text)
    assert problems == []
    assert table.rows == [["P1", "a", "1"]]
    assert table.lines == [6]
    assert len(table.comments) == 5


def test_a_value_that_begins_with_a_hash_is_refused_or_read_never_dropped(tmp_path: Path) -> None:
    table, problems = read(tmp_path, 'patient,image\n#12,a\n"#13",b\n')
    assert table.rows == [["#13", "b"]]
    assert len(problems) == 1
    assert "row 2" in problems[0]
    assert '"#12"' in problems[0]


def test_invisible_signs_and_white_space_go(tmp_path: Path) -> None:
    table, _ = read(tmp_path, " patient\u200b ,image\nP1\u00a0,\u00a0a b\u00a0\n")
    assert table.header == ["patient", "image"]
    assert table.rows == [["P1", "a b"]]


def test_trailing_delimiters_are_no_columns(tmp_path: Path) -> None:
    table, problems = read(tmp_path, "patient;image;;\nP1;a;;\nP2;b;;;;;\n;;;\n")
    assert problems == []
    assert (table.header, table.rows) == (["patient", "image"], [["P1", "a"], ["P2", "b"]])


def test_an_empty_column_in_the_middle_goes_and_a_full_one_is_refused(tmp_path: Path) -> None:
    table, problems = read(tmp_path, "patient,,image\nP1,,a\n")
    assert (table.header, table.rows, problems) == (["patient", "image"], [["P1", "a"]], [])
    _, problems = read(tmp_path, "patient,,image\nP1,,a\nP2,7,b\n")
    assert len(problems) == 1
    assert "row 3" in problems[0]
    assert "column 2 holds values but has no header" in problems[0]


def test_ragged_rows_are_refused_each_with_its_row(tmp_path: Path) -> None:
    table, problems = read(tmp_path, "patient,image,gfr\nP1,a\nP2,b,4,5\nP3,c,6\n")
    assert table.rows == [["P3", "c", "6"]]
    assert len(problems) == 2
    assert "row 2: has 2 cells where the header has 3" in problems[0]
    assert "row 3: has 4 cells where the header has 3" in problems[1]
    assert "decimal commas need ';'" in problems[1]


@pytest.mark.parametrize(
    ("text", "row"),
    [('patient,image\nP1,a\nP2,"b\nP3,c\n', 3), ('patient,image\nP1,"a"b\n', 2), ('"patient,image\nP1,a\n', 1)],
)
def test_broken_quotes_name_the_row(tmp_path: Path, text: str, row: int) -> None:
    _, problems = read(tmp_path, text)
    assert f"row {row}: " in problems[0]
    assert "quote" in problems[0]


def test_a_quote_that_swallows_a_long_file_is_told(tmp_path: Path) -> None:
    _, problems = read(tmp_path, 'patient,image\nP1,"a\n' + "P2,bbbbbbbbbbb\n" * 20_000)
    assert "row 2: a cell that begins here with a quote" in problems[0]


@pytest.mark.parametrize("text", ["", "\n\n", "# only comments\n", ",,,\n"])
def test_empty_tables_are_told(tmp_path: Path, text: str) -> None:
    table, problems = read(tmp_path, text)
    assert table.rows == []
    assert "empty" in problems[0]


cell = st.text(alphabet=st.sampled_from("abZ09é€.,;|\t\"' -+<#\n"), max_size=8).filter(
    lambda text: not text.strip().startswith("#")
)


@given(
    data=st.data(),
    width=st.integers(2, 5),
    count=st.integers(0, 6),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    told=st.booleans(),
)
def test_a_table_in_any_dialect_is_read_back(
    data: st.DataObject,
    width: int,
    count: int,
    delimiter: str,
    encoding: str,
    end: str,
    quoting: int,
    told: bool,
) -> None:
    header = ["patient", "image", *(f"var {index}" for index in range(width - 2))]
    rows = [["P1", *data.draw(st.lists(cell, min_size=width - 1, max_size=width - 1))] for _ in range(count)]
    buffer = io.StringIO(newline="")
    if told:
        buffer.write(f"sep={delimiter}{end}")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([header, *rows])
    with tempfile.TemporaryDirectory() as folder:
        table, problems = read(Path(folder), buffer.getvalue().encode(encoding))
    assert problems == []
    assert table.header == header
    assert [[" ".join(text.split()) for text in row] for row in table.rows] == [
        [" ".join(text.split()) for text in row] for row in rows
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_told(content: bytes) -> None:
    from medcl.study.errors import BadInput

    with tempfile.TemporaryDirectory() as folder:
        try:
            table, problems = read(Path(folder), content)
        except BadInput:
            return
    assert table.header or problems
    assert all(len(row) == len(table.header) for row in table.rows)
