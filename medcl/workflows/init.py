"""`medcl init`: start a study folder with a commented cohort.csv and medcl.toml."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from medcl.study.errors import BadInput
from medcl.workflows.options import SECTIONS, Options, flag

NOT_SETTINGS = (
    "study",
    "config",
    "name",
    "resume",
    "overwrite",
    "dry_run",
    "check",
    "verify",
    "json",
    "from_",
    "pseudonymize",
)
"""Options that are decided at each call and are not offered in the template of medcl.toml."""

COHORT_TEMPLATE = """\
# The cohort: one row per image below the line of column names. Lines that begin with '# ' are comments.
#
# patient   required. The same name on every row of a patient; patients are never divided between train and test.
# image     required. A NIfTI file (.nii or .nii.gz), absolute or relative to this file.
# exam      when the patient was examined: D15, D30, M3, M12, ED, ES, ...
# sequence  what was acquired: water, arterial, tubular, t2, ...
# Known too: modality (ct, mr), mask (a label map), split (train, val, test), date or days, site, scanner, and
# reference_date, from which days count (of transplantation, say).
#
# Every other column is a clinical variable, as gfr and screat here; a unit goes in square brackets. Rename, add or
# remove them. Numbers may have decimal commas (with ';' between the columns) and limits such as <15. An empty cell
# or NA is a missing value and stays missing. A column of numbers that are classes is named as in: grade [class]
#
# A row looks like this:
# P001,D15,water,images/P001_D15_water.nii.gz,45.2,130
patient,exam,sequence,image,gfr [mL/min/1.73m2],screat [umol/L]
"""

SETTINGS_HEADING = """\
# Settings of this study, one table per command. The lines below show every setting with its default; take the '#'
# away and change the value to set one. A flag on the command line wins over this file.
# Clinical tables for all commands stand in a table of their own (clinical.csv is read without being named):
#     [study]
#     clinical = ["laboratory.csv"]
"""


class InitOptions(Options):
    """Start a study folder: write a commented cohort.csv and medcl.toml."""

    overwrite: bool = flag(False, "Replace a cohort.csv and a medcl.toml that are there.")


@dataclass(frozen=True)
class Started:
    """What `medcl init` wrote and what it found and kept."""

    root: Path
    written: list[Path]
    kept: list[Path]


def init(options: InitOptions) -> Started:
    """Write the templates into the study folder, which is made when needed; files that are there are kept.

    Raises:
        BadInput: both files are there and `overwrite` is not set.
    """
    from medcl.study.files import write_text
    from medcl.study.folder import Study

    study = Study((options.study or Path()).absolute())
    if study.root.exists() and not study.root.is_dir():
        raise BadInput(f"--study {study.root} is a file; give a folder.")
    templates = {study.cohort_file: COHORT_TEMPLATE, study.settings_file: settings_template()}
    kept = [] if options.overwrite else [file for file in templates if file.exists()]
    if len(kept) == len(templates):
        raise BadInput(
            f"{study.root} is a study already: {' and '.join(file.name for file in kept)} are there. "
            "Edit them, or replace both with --overwrite (what they say is then lost)."
        )
    written = [file for file in templates if file not in kept]
    for file in written:
        write_text(file, templates[file])
    return Started(study.root, written, kept)


def settings_template() -> str:
    """A medcl.toml in which every setting of every command stands as a comment, made from the options models."""
    text = SETTINGS_HEADING
    for model in _models():
        text += f"\n[{model.section}]\n"
        for name, field in model.model_fields.items():
            if name not in NOT_SETTINGS and not _extra(field, "positional"):
                text += f"# {name.replace('_', '-')} = {_value(field)}  # {field.description}\n"
    return text


def _models() -> Iterator[type[Options]]:
    """The options models that have a table in medcl.toml, in the order in which the commands are used."""
    for command in SECTIONS:
        module = importlib.import_module(f"medcl.workflows.{command.replace('.', '_')}")
        for _, model in inspect.getmembers(module, inspect.isclass):
            if model.__module__ == module.__name__ and issubclass(model, Options) and model.section:
                yield model


def _value(field: FieldInfo) -> str:
    """The default in TOML; the form of a value in angle brackets where the default is none."""
    default = field.default
    if default is None:
        parts = [f"<{part}>" for part in str(_extra(field, "metavar") or "value").split()]
        return parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    if isinstance(default, Path):
        default = str(default)
    if isinstance(default, bool | int | float | str):
        return json.dumps(default, ensure_ascii=False)
    return "[" + ", ".join(json.dumps(part, ensure_ascii=False) for part in default) + "]"


def _extra(field: FieldInfo, key: str) -> Any:
    return field.json_schema_extra.get(key) if isinstance(field.json_schema_extra, dict) else None
