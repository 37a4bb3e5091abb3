"""medcl.toml: optional settings of a study, one table per command (`[pretrain]`, `[preprocess]`, ...).

A key of a table is the long flag of that command without dashes in front; the options model of the command
checks it. Here only the file and the names of its tables are checked. A flag on the command line wins over
the file.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.folder import SETTINGS


def read_settings(study_root: Path, known: Collection[str] | None = None) -> dict[str, Any]:
    """The tables of the study's medcl.toml, {} when there is no such file.

    Args:
        study_root: the study folder.
        known: names of the tables that exist (the commands); others are refused. None accepts every table.

    Raises:
        BadInput: as `read_settings_file`.
    """
    file = Path(study_root) / SETTINGS
    return read_settings_file(file, known) if file.exists() else {}


def read_settings_file(file: Path, known: Collection[str] | None = None) -> dict[str, Any]:
    """The tables of one settings file.

    Raises:
        BadInput: the file is missing, no TOML (with line and column), has a key outside any table, or a table
            that is not known.
    """
    try:
        content = Path(file).read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{file}: no such settings file.") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}).") from error
    settings = _parse(file, content)
    problems = []
    for name, table in settings.items():
        if not isinstance(table, dict):
            problems.append(
                f"{file}: '{name} = ...' stands outside any table; "
                "put it below the line [COMMAND] of the command that it is meant for, as in [pretrain]."
            )
        elif known is not None and name not in known:
            close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(f'[{each}]' for each in close)}?" if close else ""
            tables = ", ".join(f"[{each}]" for each in sorted(known))
            problems.append(f"{file}: unknown table [{name}]; {hint or f'the tables are {tables}.'}")
    if problems:
        raise BadInput(problems)
    return settings


def _parse(file: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInput(f"{file}: line {line} is not UTF-8; save the file as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f'{file}: is no valid TOML: {error}. Text values need quotes: name = "water".') from error
