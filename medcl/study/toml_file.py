"""A TOML file as plain tables, with what is wrong told by file and line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput


def read_toml(file: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file, whatever program saved it (byte order mark, Windows line ends).

    Args:
        file: to read.
        what: it holds, for messages: "rules of prompts".

    Raises:
        BadInput: the file is missing, cannot be read, is not UTF-8, or is no TOML (with line and column).
    """
    try:
        content = Path(file).read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{file}: no such file; expected {what} as TOML.") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); expected {what} as TOML.") from error
    try:
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInput(f"{file}: line {line} is not UTF-8; save the file as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f'{file}: is no valid TOML: {error}. Text values need quotes: unit = "umol/L".') from error
