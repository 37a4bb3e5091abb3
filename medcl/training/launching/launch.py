"""Starting several processes that train together, on PyTorch's own launcher, and watching over them.

torch's elastic launcher runs in a thread of its own, where it leaves the signals alone: this process forwards them.
Its tables and logs are kept quiet; what the user sees is one error, that of the process that failed first.
"""

from __future__ import annotations

import logging
import multiprocessing.resource_tracker
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from medcl.study.errors import BadInput
from medcl.training.interrupt import STOP_SIGNALS, notify
from medcl.training.launching.address import Address
from medcl.training.launching.crew import Crew
from medcl.training.launching.membership import GUARD
from medcl.training.launching.nodes import nodes_met
from medcl.training.launching.worker import work_as_member

Argument = TypeVar("Argument")
Result = TypeVar("Result")

_POLL_SECONDS = 0.1
_QUIET = ("torch.distributed.elastic", "torch.multiprocessing")


def launch(
    function: Callable[[Argument], Result],
    argument: Argument,
    *,
    processes: int,
    nodes: int = 1,
    rendezvous: Address | None = None,
    device: str = "cpu",
    patience: float = 300.0,
) -> Result:
    """Call `function(argument)` in several processes that form a group; return the result of this machine's first one.

    SIGTERM and SIGUSR1 are forwarded, and so is the first Ctrl-C; a second one ends the processes at once. They also
    end when this process does, however that comes about.

    Args:
        function: at the top of its module, so that a new process finds it; it may use what
            `medcl.training.distributed` offers.
        argument: picklable, as is the result.
        processes: on this machine.
        nodes: machines on which the same is called.
        rendezvous: where the machines meet, when there are several.
        device: as `resolve_device` takes it; "cpu" forms a group over gloo.
        patience: seconds within which all machines have to come.

    Raises:
        MedclError: of the process that failed first, as that process raised it.
        RunFailed: a process was ended from outside, or a machine did not come.
        KeyboardInterrupt: Ctrl-C came twice.
    """
    if not sys.platform.startswith("linux"):
        raise BadInput("Several processes (--gpus, --nodes) need Linux: on other systems medcl trains in one.")
    level = logging.getLogger("medcl").getEffectiveLevel() if logging.getLogger("medcl").hasHandlers() else None
    arguments = (os.getpid(), patience, device, level, function, argument)
    with (
        tempfile.TemporaryDirectory(prefix="medcl-") as folder,
        nodes_met(rendezvous, nodes, patience) as node,
        _set({GUARD: "1"}),
        _quiet(),
    ):
        config = LaunchConfig(
            min_nodes=nodes,
            max_nodes=nodes,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex if rendezvous is None else "medcl",
            rdzv_backend="c10d" if rendezvous is None else "static",
            rdzv_endpoint="localhost:0" if rendezvous is None else str(rendezvous),
            rdzv_configs={"is_host": True} if rendezvous is None else {"rank": node, "timeout": int(patience) + 1},
            local_addr="localhost" if rendezvous is None else None,
            max_restarts=0,
            monitor_interval=_POLL_SECONDS,
            start_method="spawn",
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        crew = Crew(Path(folder), processes)
        results = _supervise(lambda: elastic_launch(config, work_as_member)(*arguments), crew)
    return cast(Result, results[min(results)])


def _supervise(start: Callable[[], dict[int, Any]], crew: Crew) -> dict[int, Any]:
    """Run torch's launcher in a thread; answer signals and see to the end of the workers here."""
    results: dict[int, Any] = {}
    errors: list[BaseException] = []

    def run() -> None:
        # Workers inherit this: a signal that comes while they import torch waits until they can answer it. Python's own
        # helper process inherits it too, which a scheduler's signal to all processes would else end.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        multiprocessing.resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # starting the helper has let some through again
        try:
            results.update(start())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="launcher")
    with _forwarding(crew) as stopped_at_once:
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            crew.look_after()
    if stopped_at_once.is_set():
        raise KeyboardInterrupt
    if errors:
        raise crew.error(errors[0]) from None
    return results


@contextmanager
def _forwarding(crew: Crew) -> Iterator[threading.Event]:
    """While entered, signals go to the workers; yields whether a second Ctrl-C came."""
    at_once = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield at_once  # Python delivers signals to the main thread only
        return

    def forward(signum: int, frame: object) -> None:
        if crew.asked and signum == signal.SIGINT:
            at_once.set()
            crew.kill()
        elif not crew.asked:
            notify(signum)
            crew.forward(signum)

    before = {number: signal.signal(number, forward) for number in STOP_SIGNALS}
    try:
        yield at_once
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, for the workers to inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's launcher from telling in its own words what is told in ours."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    nowhere = logging.NullHandler()
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(nowhere)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(nowhere)
            logger.propagate = propagate
