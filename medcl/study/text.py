"""The text of a table file, whatever program wrote it: UTF-8, UTF-16 with byte order mark, Windows-1252, gzip.

Files put together from several sources hold several encodings: a file that is not UTF-8 as a whole is
decoded line by line, each line as UTF-8 or else as Windows-1252 (what Excel writes as "CSV" on Western
systems).
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path

from medcl.study.errors import BadInput
from medcl.study.problems import Problems

_WORKBOOKS = {
    b"PK\x03\x04": "an Excel or OpenDocument workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
}
_GZIP = b"\x1f\x8b"

LARGEST_TABLE = 1 << 30
"""Bytes of an unpacked table beyond which it is refused: a gzip file of a few kilobytes can hold that much."""


def read_text(file: Path, problems: Problems) -> str:
    """The decoded text of a table file; line ends are left as they are.

    Raises:
        BadInput: the file is missing, cannot be read, or is no text at all (a workbook, an archive).
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{file}: no such file.") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}).") from error
    if content.startswith(_GZIP):
        content = _unpack(file, content)
    for start, what in _WORKBOOKS.items():
        if content.startswith(start):
            raise BadInput(f"{file}: is {what}, not a CSV table; unpack or save it as 'CSV UTF-8'.")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise BadInput(f"{file}: is broken UTF-16 text; save it as 'CSV UTF-8'.") from error
    if b"\0" in content:
        raise BadInput(f"{file}: holds zero bytes, it is no CSV text; save the table as 'CSV UTF-8'.")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_lines(content, problems)


def _unpack(file: Path, content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            unpacked = stream.read(LARGEST_TABLE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{file}: is a broken gzip file ({error}); save the table again, as CSV UTF-8.") from error
    if len(unpacked) > LARGEST_TABLE:
        raise BadInput(f"{file}: unpacks to more than {LARGEST_TABLE >> 20} MiB, which is no table of patients.")
    return unpacked


def _decode_lines(content: bytes, problems: Problems) -> str:
    decoded = []
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            try:
                text = line.decode("cp1252")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                problems.add(
                    f"byte 0x{byte:02x} is neither UTF-8 nor Windows-1252; save the table as 'CSV UTF-8'",
                    row=number,
                    kind="unknown encoding",
                )
                text = line.decode("cp1252", errors="replace")
        decoded.append(text)
    return "".join(decoded)
