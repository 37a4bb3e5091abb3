"""What an option's type asks for, in plain words: "a whole number of at least 1", "three whole numbers Z Y X"."""

from __future__ import annotations

import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

COUNTS = {2: "two", 3: "three", 4: "four"}

_ONE = {int: "a whole number", float: "a number", str: "text in quotes", Path: "a path", bool: "true or false"}
_MANY = {int: "whole numbers", float: "numbers", str: "words", Path: "paths"}
_BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}


def expectation(annotation: Any, limits: Iterable[Any] = (), metavar: str | None = None) -> str:
    """What can be given for a type, with the verb: "a number above 0 is expected".

    Args:
        annotation: the field's type.
        limits: its bounds, as pydantic keeps them in a field's metadata.
        metavar: the parts of several values, such as "Z Y X".
    """
    wanted = _described(annotation, tuple(limits), metavar)
    return f"{wanted} {'are' if get_origin(_bare(annotation)) is tuple else 'is'} expected"


def told(value: Any) -> str:
    """A wrong value as the user wrote it: several values of a flag stand with spaces between."""
    return " ".join(map(str, value)) if isinstance(value, tuple) and value else repr(value)


def _bare(annotation: Any) -> Any:
    """The type beside None."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 else Union.__getitem__(tuple(kinds))


def _described(annotation: Any, limits: tuple[Any, ...], metavar: str | None) -> str:
    annotation = _bare(annotation)
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _either([_described(kind, limits, metavar) for kind in inside])
    if origin is Annotated:
        own = [bound for each in inside[1:] for bound in getattr(each, "metadata", [each])]  # of a pydantic Field
        return _described(inside[0], (*limits, *own), metavar)
    if origin is Literal:
        return _either([str(word) for word in inside])
    if origin is tuple:
        return " ".join(filter(None, [COUNTS[len(inside)], _MANY[inside[0]], metavar]))
    if origin is list:
        return f"a list of {_MANY[inside[0]]}"
    return " ".join(filter(None, [_ONE[annotation], _bounded(limits)]))


def _either(parts: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _bounded(limits: Iterable[Any]) -> str:
    found = {name: getattr(limit, name) for limit in limits for name in _BOUNDS if hasattr(limit, name)}
    if set(found) == {"ge", "le"}:
        return f"from {found['ge']:g} to {found['le']:g}"
    return " and ".join(f"{_BOUNDS[name]} {found[name]:g}" for name in _BOUNDS if name in found)
