"""The run folder of a training command, from the one that --resume goes on with to the record of its end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from medcl.study.errors import BadInput, MedclError
from medcl.study.folder import Study
from medcl.study.runs import COMMANDS_OF_KINDS, Run, create_run, newest_run, read_run
from medcl.workflows.processes import from_main
from medcl.workflows.training_options import TrainingOptions

if TYPE_CHECKING:
    import torch

Asked = TypeVar("Asked", bound=TrainingOptions)

log = logging.getLogger("medcl")


def stopped_run(study: Study, kind: str, options: Asked) -> tuple[Run, Asked]:
    """The run to go on with, and its own options: those given now must be the same ones.

    Args:
        study: where the run is.
        kind: of the run, as `create_run` was given it.
        options: with --resume.

    Raises:
        BadInput: there is no such run, it is finished, or options differ (all are shown).
    """
    from medcl.training.resume import MAY_CHANGE, refuse_changed_options

    unfinished = ("stopped", "failed")
    run = read_run(study.runs / options.name) if options.name else newest_run(study, kind, unfinished)
    run.refuse_if_live("--resume")
    if run.kind != kind:
        command = COMMANDS_OF_KINDS.get(kind, kind)
        raise BadInput(f"--resume: {run.name} is a '{run.kind}' run, not one of `medcl {command}`.")
    if run.status == "finished":
        raise BadInput(
            f"--resume: the run {run.name} is finished. Start a new one, by another --name or with --overwrite."
        )
    saved = run.record.get("options")
    if not isinstance(saved, dict):
        raise BadInput(f"--resume: {run.path} ended before its options were written; start a new run.")
    given = {name: value for name, value in plain(options).items() if name in options.model_fields_set}
    refuse_changed_options(saved, {**saved, **given}, str(run.path))
    now = {name: value for name, value in given.items() if name in MAY_CHANGE}
    # a run that replaced another one is not replaced again
    return run, type(options)(**{**saved, **now, "overwrite": False, "resume": True})


def options_of_stopped_run(kind: str, options: Asked) -> Asked:
    """The options of the run that --resume goes on with: they say how many processes it takes."""
    run, options = stopped_run(Study.find(options.study), kind, options)
    return options.model_copy(update={"name": run.name})


def take_up(kind: str, options: Asked) -> tuple[Study, Run | None, Asked]:
    """The study; with --resume also the run that goes on, and its own options; every process calls this.

    Raises:
        BadInput: there is no study, or as `stopped_run`.
    """
    study = Study.find(options.study)
    if not options.resume:
        return study, None, options
    run, options = from_main(lambda: stopped_run(study, kind, options))
    log.info(f"Going on with the run {run.name}.")
    return study, run, options


def tell_prepared(study: Study, inputs: Mapping[str, str], notes: Iterable[str]) -> None:
    """Tell what a user should know before the training starts; every process calls this.

    Raises:
        BadInput: processes found other things in the study.
    """
    from medcl.training.distributed import require_same

    require_same({"study folder": str(study.root), **inputs})
    for note in notes:
        log.info(note)


def begin_run(
    study: Study,
    kind: str,
    stem: str,
    options: TrainingOptions,
    resumed: Run | None,
    *,
    images: Iterable[Any],
    device: torch.device,
    inputs: Mapping[str, str],
    words: Mapping[str, str],
    record: Mapping[str, Any] | None = None,
) -> Run:
    """Make the run folder, or take up the one that is resumed, and write its record; every process calls this.

    Args:
        study: that gets the run.
        kind: of the run.
        stem: the telling start of its name.
        options: of the command.
        resumed: the run that goes on, None for a new one.
        images: entries of the store, those that are trained on.
        device: of this process.
        inputs: hash of each thing that goes in.
        words: what each of them is, for the message that it changed.
        record: what else run.json is to hold.

    Raises:
        BadInput: the name is taken, or an input changed since the resumed run was started.
    """
    from medcl.imaging.image_list import write_image_list
    from medcl.training.device import describe_device
    from medcl.training.distributed import is_main, world_size
    from medcl.training.launching.process_list import list_processes

    told, devices = describe_device(device), list_processes(device)
    if resumed is None:
        run = from_main(lambda: create_run(study, kind, options.name, stem, options.overwrite))
        log.info(f"Run {run.name}, on {told}.")
    else:
        run = resumed
        _refuse_changed_inputs(run, inputs, words)
        if is_main():
            run.resume()
    if is_main():
        write_image_list(run.path, images)
        run.write(
            options=plain(options),
            **(record or {}),
            device=told,
            devices=devices,
            processes=world_size(),
            seed=options.seed,
            inputs=dict(inputs),
        )
    return run


@contextmanager
def failure_recorded(run: Run) -> Iterator[None]:
    """Note in run.json why the run failed; one that was stopped goes on saying "running" until its process ends."""
    from medcl.training.distributed import is_main
    from medcl.training.interrupt import Interrupted

    try:
        yield
    except Interrupted:
        raise
    except MedclError as error:
        if is_main():
            run.fail(str(error))
        raise


def plain(options: TrainingOptions) -> dict[str, Any]:
    """The options as plain types."""
    return options.model_dump(mode="json")


def absolute(path: Path | None) -> Path | None:
    """Return a path that holds from wherever the run is resumed."""
    return None if path is None else path.absolute()


def _refuse_changed_inputs(run: Run, inputs: Mapping[str, str], words: Mapping[str, str]) -> None:
    saved = run.record.get("inputs") or {}
    changed = [words[name] for name in words if saved.get(name) != inputs[name]]
    if changed:
        raise BadInput(
            f"--resume: {' and '.join(changed)} changed since {run.name} was started, so it cannot go on as the same "
            "run. Restore them, or start a new run."
        )
