"""Flags made from an options model, so that a command's help, defaults and checks stand once, on the model.

Typer is handed text for every value and pydantic does all the parsing: only so can every wrong option of a call be
told in one message.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefinedType

from medcl.study.errors import Stopped
from medcl.workflows.options import Options, flag_name

Model = TypeVar("Model", bound=Options)
Result = TypeVar("Result")

WORDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def door(model: type[Model], work: Callable[[Model], Result], summary: Callable[[Result], None]) -> Callable[..., None]:
    """Make the function that Typer registers as a command: flags to options, one call, one printed summary.

    Args:
        model: the command's options; its docstring's first paragraph is the command's help.
        work: the workflow, called with the resolved options.
        summary: prints what came out.
    """

    def command(**values: Any) -> None:
        try:
            summary(work(model.resolve({name: value for name, value in values.items() if value is not None})))
        except KeyboardInterrupt:  # here, since Typer would end without a word
            raise Stopped("Stopped by the keyboard; the same command starts again.") from None

    command.__doc__ = _literal(_paragraphs(model.__doc__ or ""))
    # Positional arguments first; the order is otherwise that of the model, with the inherited fields last.
    fields = sorted(
        model.model_fields.items(), key=lambda item: (not _extra(item[1], "positional"), item[0] == "study")
    )
    parameters = [_parameter(name, field) for name, field in fields]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _paragraphs(text: str) -> str:
    """A docstring with each paragraph in one line, so that help breaks lines where the terminal ends."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _literal(text: str) -> str:
    """Text whose square brackets are shown and not taken for markup."""
    return text.replace("[", r"\[")


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    taken, metavar, many = _as_text(field.annotation)
    shown = _shown(field.default)
    settings: dict[str, Any] = {
        "help": _literal(f"{field.description} (default: {shown})" if shown else str(field.description)),
        "metavar": _extra(field, "metavar") or metavar,
        "show_default": False,  # Typer sees None, which only means that nothing was given
    }
    if _extra(field, "positional"):
        settings["metavar"] = _extra(field, "metavar") or name.upper()
        declared = typer.Argument(**settings)
    else:
        names = flag_name(name)
        if taken is bool:
            settings["metavar"] = ""
            names += "" if field.default is False else f"/--no-{names.removeprefix('--')}"
        declared = typer.Option(names, rich_help_panel=_extra(field, "panel"), **settings)
    annotation = list[str] | None if many else taken | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, declared]
    )


def _as_text(annotation: Any) -> tuple[Any, str, bool]:
    """What Typer is to read for a field: (type, metavar, may be repeated)."""
    if get_origin(annotation) in (Union, types.UnionType):
        first = next(kind for kind in get_args(annotation) if kind is not type(None))
        return _as_text(first)
    if get_origin(annotation) is Annotated:
        return _as_text(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return str, "|".join(str(word) for word in get_args(annotation)), False
    if get_origin(annotation) is tuple:
        count = len(get_args(annotation))
        return tuple.__class_getitem__((str,) * count), " ".join(WORDS[kind] for kind in get_args(annotation)), False
    if get_origin(annotation) is list:
        return list, "A,B,...", True
    return (bool, "", False) if annotation is bool else (str, WORDS.get(annotation, "TEXT"), False)


def _shown(default: Any) -> str:
    """The default as a user would write it; "" when there is none to show."""
    if default is True:
        return "on"
    if default is None or default is False or default == [] or isinstance(default, PydanticUndefinedType):
        return ""
    if isinstance(default, tuple | list):
        return (" " if isinstance(default, tuple) else ",").join(str(part) for part in default)
    return str(default)


def _extra(field: FieldInfo, key: str) -> Any:
    return field.json_schema_extra.get(key) if isinstance(field.json_schema_extra, dict) else None
