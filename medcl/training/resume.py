"""`--resume` continues the same run or refuses: what differs from the checkpoint's options is shown."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from medcl.study.errors import BadInput

MAY_CHANGE = frozenset(
    {
        "cache",
        "checkpoint_steps",
        "config",
        "debug",
        "dry_run",
        "name",
        "node_timeout",
        "nodes",
        "overwrite",
        "rendezvous",
        "resume",
        "run_on",
        "study",
        "tensorboard",
        "workers",
    }
)
"""Options that do not enter the result, and so may differ in a resumed run."""


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as a checkpoint keeps them: paths as strings, tuples as lists, sets sorted.

    Raises:
        TypeError: a value has no plain form.
    """
    return {str(key): _plain(value) for key, value in options.items()}


def refuse_changed_options(
    saved: Mapping[str, Any], now: Mapping[str, Any], run: str, may_change: Collection[str] = MAY_CHANGE
) -> None:
    """Compare the options of a checkpoint with those of the command that resumes it.

    Args:
        saved: the checkpoint's options.
        now: the command's, plain.
        run: the run's folder, for the message.
        may_change: names that are not compared.

    Raises:
        BadInput: listing every option that differs, with both values.
    """
    names = [name for name in {**saved, **now} if name not in may_change]
    changed = [name for name in names if saved.get(name, _ABSENT) != now.get(name, _ABSENT)]
    if changed:
        raise BadInput(
            [
                f"--resume continues the same run, but {run} was started with other options:",
                *(f"  {flag(name)}: {_show(saved, name)} in the run, {_show(now, name)} now" for name in changed),
                "Give the run's own values, or start a new run with these.",
            ]
        )


def flag(name: str) -> str:
    """Return an option's name as it is written on the command line."""
    return "--" + name.replace("_", "-")


_ABSENT = object()


def _show(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name, _ABSENT)
    return "not given" if value is None or value is _ABSENT else str(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return plain_options(value)
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form for a checkpoint")
