"""Run folders: what a training leaves behind, which run is the newest, which one a command can read.

runs/NAME/run.json records the command, options, versions, device, seed, inputs, outputs and duration; `runs/latest`
holds the name of the run that finished last. Names are taken by making the folder, so that two processes never get
the same one.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput, RunFailed
from medcl.study.exams import natural_key
from medcl.study.files import read_json, write_json, write_text
from medcl.study.folder import Study
from medcl.study.versions import versions

RUN_FORMAT = 1
"""Raised when run folders change so that an older medcl would misread them."""

RECORD = "run.json"
LATEST = "latest"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        record: what run.json says; kept up to date by `write`.
    """

    path: Path
    record: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def kind(self) -> str:
        """What made it, as "pretrain"."""
        return str(self.record.get("kind", ""))

    @property
    def status(self) -> str:
        """running, finished, failed, or stopped: said to be running, but its process on this machine is gone."""
        status = str(self.record.get("status", ""))
        if status == "running" and self.record.get("host") == socket.gethostname():
            return "running" if _is_alive(self.record.get("pid")) else "stopped"
        return status

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints of a run without folds."""
        return self.path / "checkpoints"

    def folder(self, fold: int | None = None) -> Path:
        """Where splits, metrics, checkpoints and encoder lie: the run's own folder, or that of one fold."""
        return self.path if fold is None else self.path / f"fold-{fold}"

    def write(self, **fields: Any) -> None:
        """Set fields of run.json; the others stay."""
        self.record.update(fields)
        write_json(self.path / RECORD, self.record)

    def resume(self) -> None:
        """Mark the run as running again, in this process, and note when and with which versions it went on."""
        for stale in ("reason", "finished"):
            self.record.pop(stale, None)
        again = {"at": _now(), "versions": versions()}
        self.write(status="running", resumed=[*self.record.get("resumed", []), again], **_process())

    def refuse_if_live(self, flag: str) -> None:
        """Refuse to touch a run that another process of this machine is working on.

        Raises:
            BadInput: it is; names the process.
        """
        if self.status == "running" and self.record.get("host") == socket.gethostname():
            raise BadInput(
                f"{flag}: the run {self.name} is still running, in process {self.record.get('pid')} of this machine. "
                "Wait for it or stop it first."
            )

    def finish(self, *, outputs: Any, seconds: float) -> None:
        """Mark the run as finished and make it the latest one."""
        self.write(status="finished", finished=_now(), outputs=outputs, seconds=round(seconds, 3))
        write_text(self.path.parent / LATEST, f"{self.name}\n")

    def fail(self, reason: str) -> None:
        """Mark the run as failed."""
        self.write(status="failed", finished=_now(), reason=reason)


def create_run(study: Study, kind: str, name: str | None, stem: str, overwrite: bool) -> Run:
    """Make the folder of a new run, with run.json (status running).

    Args:
        study: where.
        kind: what makes it, as "pretrain".
        name: as the user gave it; an existing one is refused unless `overwrite`. None takes `stem`, or the next
            free of stem-2, stem-3, ...
        stem: telling name, as "variable-gfr".
        overwrite: remove the run of that name first.

    Raises:
        BadInput: the name is no folder name, or exists.
        RunFailed: the folder cannot be made.
    """
    try:
        study.runs.mkdir(parents=True, exist_ok=True)
        path = _free_folder(study, stem) if name is None else _named_folder(study, name, overwrite)
    except OSError as error:
        raise RunFailed(f"{study.runs}: a run folder cannot be made there ({error.strerror}).") from error
    run = Run(path, {"format": RUN_FORMAT, "kind": kind, "name": path.name})
    try:
        run.write(status="running", started=_now(), versions=versions(), **_process())
    except BaseException:
        with suppress(OSError):
            path.rmdir()
        raise
    return run


def read_run(path: Path) -> Run:
    """Read a run folder.

    Raises:
        BadInput: there is none, run.json is torn, or a newer medcl wrote it.
    """
    path = Path(path).absolute()
    if not (path / RECORD).is_file():
        raise BadInput(f"{path} is no run folder (no {RECORD} in it). `medcl list runs` shows the runs of a study.")
    record = read_json(path / RECORD)
    version = record.get("format") if isinstance(record, dict) else None
    if not isinstance(version, int):
        raise BadInput(f"{path / RECORD} is not the record of a run (no format number): restore or delete the run.")
    if version > RUN_FORMAT:
        theirs = (record.get("versions") or {}).get("medcl", "a newer version")
        raise BadInput(
            f"{path}: the run has format {version} (medcl {theirs}); this medcl reads up to {RUN_FORMAT}. "
            "Upgrade with `pip install --upgrade medcl`, or choose another run with --run."
        )
    return Run(path, record)


def list_runs(study: Study) -> list[Run]:
    """All runs of a study by start; one that cannot be read has status "unreadable" and says why in "reason"."""
    runs = []
    for folder in sorted(study.runs.glob("*/"), key=lambda path: natural_key(path.name)):
        if not (folder / RECORD).is_file():
            continue
        try:
            runs.append(read_run(folder))
        except BadInput as error:
            runs.append(Run(folder.absolute(), {"status": "unreadable", "reason": str(error)}))
    return sorted(runs, key=lambda run: str(run.record.get("started", "")))


COMMANDS_OF_KINDS = {"segment": "segment train", "cluster": "cluster train", "translate": "translate train"}
"""What makes runs of a kind, where the command has another name."""


def newest_run(
    study: Study,
    kind: str | Collection[str],
    statuses: Collection[str] = ("finished",),
    fits: Callable[[Run], bool] = lambda run: True,
) -> Run:
    """The run of a kind that finished last (or, with other statuses, was started last) and can be read.

    The run that `runs/latest` names is taken when it fits: edit that file to choose another default.

    Args:
        study: where the runs are.
        kind: one kind, or several that serve as well.
        statuses: that will do.
        fits: whether a run of the kind will do.

    Raises:
        BadInput: there is none; names what is there and what to run next.
    """
    every = list_runs(study)
    kinds = [kind] if isinstance(kind, str) else list(kind)
    fitting = [run for run in every if run.kind in kinds and run.status in statuses and fits(run)]
    if fitting:
        latest = _latest(study)
        named = [run for run in fitting if run.name == latest]
        return named[0] if named else max(fitting, key=_age)
    there = ", ".join(f"{run.name} ({run.kind or 'unknown kind'}, {run.status})" for run in every[-5:]) or "none"
    wanted, commands = " or ".join(statuses), [COMMANDS_OF_KINDS.get(each, each) for each in kinds]
    told = " or ".join(f"`{command}`" for command in commands)
    raise BadInput(
        f"No {wanted} {told} run that can be read in {study.runs} (runs there: {there}). "
        + (
            f"Run `medcl {commands[0]}` first, or name a run with --run."
            if "finished" in statuses
            else "A finished run is not resumed: start a new one."
        )
    )


def _age(run: Run) -> tuple[str, str]:
    return str(run.record.get("finished") or run.record.get("started", "")), run.name


def _latest(study: Study) -> str:
    try:
        return (study.runs / LATEST).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _free_folder(study: Study, stem: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", stem).strip("-.") or "run"
    number = 1
    while True:
        path = study.runs / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _named_folder(study: Study, name: str, overwrite: bool) -> Path:
    if not _NAME.fullmatch(name) or name == LATEST:
        raise BadInput(f"--name {name}: use letters, digits, '-', '_', '+' and '.', and not '{LATEST}'.")
    path = study.runs / name
    if overwrite and path.exists():
        if not (path / RECORD).is_file() and (not path.is_dir() or any(path.iterdir())):
            raise BadInput(
                f"{path} is no run (no {RECORD}): it is not overwritten. Move it away or give another --name."
            )
        read_run(path).refuse_if_live("--overwrite")
        shutil.rmtree(path)
    try:
        path.mkdir()  # and not exist_ok: of two processes one gets the name
    except FileExistsError:
        raise BadInput(
            f"The run {path} exists. Continue it with --resume, replace it with --overwrite, or give another --name."
        ) from None
    return path


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
