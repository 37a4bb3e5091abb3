"""Which finished run of a kind a command takes up: the one that is named, or the newest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.names import nearest
from medcl.study.runs import COMMANDS_OF_KINDS, Run, list_runs, newest_run, read_run

log = logging.getLogger("medcl")


def finished_run(
    study: Study | None,
    kind: str | Sequence[str],
    name: str | None,
    option: str = "--run ",
    lacks: Callable[[Run], str] = lambda run: "",
) -> Run:
    """The finished run of a kind with a name in runs/ or in a folder; the newest one for None.

    Args:
        study: whose runs/ is looked into first; None outside of a study.
        kind: of the run, such as "segment", or several kinds; a first run would be made by the command of the first.
        name: as the user gave it.
        option: what stood before the name, for messages.
        lacks: what a run of the kind is without that it is wanted for, in a sentence about it; "" where nothing.
            Such runs are passed over when the newest one is looked for.

    Raises:
        BadInput: there is none, or it is of another kind, not finished, or lacks something.
    """
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    if name is None:
        return _newest(study, kinds, lacks)
    places = [Path(name)] if study is None else [study.runs / name, Path(name)]
    path = next((path for path in places if (path / "run.json").is_file()), None)
    if path is None:
        names = [run.name for run in list_runs(study) if run.kind in kinds] if study else []
        close = nearest(name, names) or names[-5:]
        there = f"there are {', '.join(close)}" if close else f"there are none; run {_command(kinds[0])} first"
        where = f"such run in {study.runs} and no run folder of that path; {there}" if study else "run folder"
        raise BadInput(f"{option}{name}: no {where}.")
    run = read_run(path)
    if run.kind not in kinds:
        wanted = " or ".join(map(_command, kinds))
        raise BadInput(f"{option}{name}: this is a run of `medcl {run.kind}`, not of {wanted}.")
    if run.status != "finished":
        raise BadInput(
            f"{option}{name}: the run is {run.status}, so it has no network yet. "
            f"Go on with {_command(run.kind, f' --name {run.name} --resume')}, or choose another run."
        )
    if missing := lacks(run):
        raise BadInput(f"{option}{name}: {missing}")
    return run


def _newest(study: Study | None, kinds: Sequence[str], lacks: Callable[[Run], str]) -> Run:
    if study is None:
        raise BadInput("Outside of a study, --run FOLDER says which run is applied.")
    run = newest_run(study, kinds, fits=lambda each: not lacks(each))
    fitting = (other for other in list_runs(study) if other.kind in kinds and not lacks(other))
    others = [other.name for other in fitting if other.name != run.name]
    told = f" (others: {', '.join(others[-5:])}; choose with --run)" if others else ""
    log.info(f"Run: {run.name}, the newest finished one{told}.")
    return run


def _command(kind: str, options: str = "") -> str:
    return f"`medcl {COMMANDS_OF_KINDS.get(kind, kind)}{options}`"
