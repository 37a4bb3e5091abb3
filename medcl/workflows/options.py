"""The base of every command's options: one model for flags, medcl.toml and Python.

A command's options are a frozen pydantic model whose fields are declared with `flag` or `argument`; the help text
stands on the field and nowhere else. Values come, strongest first, from the command line (or Python keywords), from
the command's table in medcl.toml and from the default; everything that is wrong is told in one `BadInput`, in the
words that the user wrote: `--epochs` on the command line, `medcl.toml [pretrain] epochs` in the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from medcl.study.errors import BadInput
from medcl.study.label_classes import LABELS_TABLE
from medcl.workflows.wording import expectation, told

SHARED_PANEL = "Common"

SECTIONS = (
    "preprocess",
    "pretrain",
    *("prompts.preview", "prompts.augment"),
    *("translate.train", "translate.apply"),
    *("segment.train", "segment.apply", "segment.evaluate"),
    *("cluster.train", "cluster.apply", "cluster.evaluate"),
    "embed",
    "evaluate",
    "visualize",
)
"""The commands that have a table in medcl.toml; each is a module beside this one, with "_" for the dot."""

STUDY_TABLE = "study"
"""The table of medcl.toml for settings that several commands share."""

TABLES = (*dict.fromkeys(section.partition(".")[0] for section in SECTIONS), STUDY_TABLE, LABELS_TABLE)
"""All tables that medcl.toml may have at its top."""


def flag(default: Any, help: str, *, metavar: str | None = None, panel: str | None = None, **limits: Any) -> Any:
    """Declare an option.

    Args:
        default: the value when nothing is given.
        help: the one help text, for `--help`, the reference and error messages.
        metavar: how the value is written, such as "Z Y X"; by default the type's name.
        panel: the heading under which `--help` lists it.
        limits: pydantic's bounds, such as `ge=1`.
    """
    extra: dict[str, Any] = {"metavar": metavar, "panel": panel, "positional": False}
    return Field(default, description=help, json_schema_extra=extra, **limits)


def argument(help: str, *, metavar: str | None = None, **limits: Any) -> Any:
    """Declare a required positional argument."""
    extra: dict[str, Any] = {"metavar": metavar, "panel": None, "positional": True}
    return Field(..., description=help, json_schema_extra=extra, **limits)


class Options(BaseModel):
    """Options of one command; immutable and valid once it exists.

    Raises:
        BadInput: naming every value that cannot be used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    section: ClassVar[str] = ""
    """The command's table in medcl.toml; "" when the file has none for it."""

    study: Path | None = flag(
        None, "The study folder; the current folder unless told.", metavar="DIR", panel=SHARED_PANEL
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadInput(_sentences(type(self), error, values, {})) from None

    @classmethod
    def resolve(cls, given: Mapping[str, Any]) -> Self:
        """Join what was given with the study's medcl.toml; what was given wins.

        Args:
            given: values by field name, without those that were not given.

        Raises:
            BadInput: naming every value, in the file or on the command line, that cannot be used.
        """
        stored, where = cls._stored(given)
        problems = [_unknown(cls, key, where) for key in stored if key not in cls.model_fields]
        origins = {key: f"{where} [{cls.section}] {key}" for key in stored if key not in given}
        merged = {key: value for key, value in stored.items() if key in cls.model_fields} | dict(given)
        options = cls.__new__(cls)
        try:
            # what BaseModel.__init__ does; our own __init__ would not know which values came from the file
            cls.__pydantic_validator__.validate_python(merged, self_instance=options)
        except ValidationError as error:
            problems += _sentences(cls, error, merged, origins)
        if problems:
            raise BadInput(problems)
        return options

    @classmethod
    def _stored(cls, given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The command's table of settings and the name of the file it stands in."""
        if not cls.section:
            return {}, ""
        tables, file = cls._tables(given)
        return {key.replace("-", "_"): value for key, value in _table(tables, cls.section, file).items()}, file

    @staticmethod
    def _tables(given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """All tables of the settings file that holds, and its name."""
        from medcl.study.settings import read_settings, read_settings_file

        config = given.get("config")
        if config:
            return read_settings_file(Path(config), TABLES), str(config)
        return read_settings(Path(given.get("study") or "."), TABLES), "medcl.toml"


def _table(tables: Mapping[str, Any], section: str, file: str) -> dict[str, Any]:
    """The table of a command; of `medcl segment train` it is [segment.train], and [segment] itself has no settings."""
    group, _, command = section.partition(".")
    table: dict[str, Any] = tables.get(group, {})
    if not command:
        return table
    known = [section.partition(".")[2] for section in SECTIONS if section.startswith(f"{group}.")]
    stray = [key for key in table if key not in known or not isinstance(table[key], dict)]
    if stray:
        below = " or ".join(f"[{group}.{name}]" for name in known)
        raise BadInput([f"{file} [{group}] {key}: settings of `medcl {group}` stand below {below}." for key in stray])
    return dict(table.get(command, {}))


def flag_name(field: str) -> str:
    """How a field is written on the command line: `batch_size` is `--batch-size`, `json_` is `--json`."""
    return "--" + field.rstrip("_").replace("_", "-")


def split_words(values: Any) -> Any:
    """Let a list option be repeated, comma-separated or both: ["a,b", "c"] is ["a", "b", "c"]."""
    if isinstance(values, str):
        values = [values]
    if isinstance(values, list | tuple) and all(isinstance(value, str) for value in values):
        return [word.strip() for value in values for word in value.split(",") if word.strip()]
    return values


def _unknown(model: type[Options], key: str, where: str) -> str:
    near = difflib.get_close_matches(key, model.model_fields, n=3)
    hint = f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(model.model_fields)}"
    return f"{where} [{model.section}] {key}: no such setting{hint}."


def _sentences(
    model: type[Options], error: ValidationError, given: Mapping[str, Any], origins: Mapping[str, str]
) -> list[str]:
    """One sentence a field, each naming the flag (or the line of the file), what was found and what was expected."""
    sentences: dict[str, str] = {}  # a wrong tuple has a fault per part, a union one per kind: the first is enough
    for fault in error.errors():
        own = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            sentences[own] = own
            continue
        field = str(fault["loc"][0])
        if field in sentences:
            continue
        name, info = origins.get(field) or _written(model, field), model.model_fields.get(field)
        if info is None:
            sentences[field] = f"{name}: {model.__name__} has no such option."
        elif field not in given:
            sentences[field] = f"{name} is missing: {info.description or ''}"
        else:
            wanted = _within(own) if fault["type"] == "value_error" else _expectation(info)
            sentences[field] = f"{name}: got {told(given[field])}, but {wanted}."
    return list(sentences.values())


def _expectation(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    metavar = extra.get("metavar") if isinstance(extra, dict) else None
    return expectation(info.annotation, info.metadata, str(metavar) if metavar else None)


def _within(sentence: str) -> str:
    """A sentence that goes on after another's "but": a small first letter, unless the first word is all capitals."""
    first = sentence.split(maxsplit=1)[0]
    return (sentence if first.isupper() else sentence[:1].lower() + sentence[1:]).rstrip(".")


def _written(model: type[Options], field: str) -> str:
    info = model.model_fields.get(field)
    extra = info.json_schema_extra if info else None
    if isinstance(extra, dict) and extra["positional"]:
        return str(extra["metavar"] or field.upper())
    return flag_name(field)
