"""A place where processes meet: torch's key-value store on one of them, and how long the others are waited for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from torch.distributed import (  # type: ignore[attr-defined]  # public, but not in torch's list of exports
    DistError,
    DistNetworkError,
    PrefixStore,
    TCPStore,
)
from torch.distributed import Store as Store  # type: ignore[attr-defined]

from medcl.study.errors import BadInput, RunFailed
from medcl.training.launching.failure import Failure

_CAME = "came"
_FAILED = "failed"
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 8.0
"""A store answers at once; whoever takes this long to answer at its port is another program."""

HOST_STAYS_SECONDS = 1.5
"""Where the store is, a failed process stays so much longer, so that the others can learn why."""

STORE_TIMEOUT = timedelta(minutes=30)
"""For a value that another process is about to write."""


class PortTaken(BadInput):
    """Something listens at the port already: another process of the run that was quicker, or another program."""


def open_store(host: str, port: int, serve: bool, patience: float, name: str) -> Store:
    """Open the store at `host`:`port`, there or as a guest.

    Args:
        host, port: where it is.
        serve: start it, in this process.
        patience: seconds that a guest waits for it.
        name: what told the address, for messages, as "--rendezvous node1:29500".

    Raises:
        PortTaken: the store was to be started here and somebody listens there, or a guest met another program.
        BadInput: the host's name is unknown, or no port can be opened.
        RunFailed: nobody is there after `patience` seconds.
    """
    if serve:
        try:
            return TCPStore(
                host, port, is_master=True, timeout=STORE_TIMEOUT, wait_for_workers=False, multi_tenant=True
            )
        except DistNetworkError as error:
            if "EADDRINUSE" in str(error):
                raise _port_in_use(name) from error
            raise BadInput(f"{name}: no port can be opened there ({_first_line(error)}).") from error
    _wait_for_port(host, port, patience, name)
    opened: list[Store] = []

    def connect() -> None:
        with suppress(DistError):
            opened.append(TCPStore(host, port, is_master=False, timeout=STORE_TIMEOUT, wait_for_workers=False))

    thread = threading.Thread(target=connect, daemon=True)  # torch's own time limit does not hold for a mute server
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if not opened:
        raise _port_in_use(name)
    return opened[0]


def below(store: Store, name: str) -> Store:
    """Return a part of the store, whose keys nobody else uses."""
    return PrefixStore(f"medcl/{name}", store)


def wait_for_all(store: Store, expected: int, patience: float, missing: Callable[[int], str]) -> None:
    """Wait until `expected` processes have called this.

    Args:
        store: that they share.
        expected: how many.
        patience: seconds.
        missing: makes the message from how many came.

    Raises:
        RunFailed: some did not come in time, or the one with the store left.
    """
    until = time.monotonic() + patience
    came = 0
    try:
        came = store.add(_CAME, 1)
        while came < expected:
            if time.monotonic() > until:
                raise RunFailed(missing(came))
            time.sleep(_POLL_SECONDS)
            came = store.add(_CAME, 0)
    except DistError as error:
        raise RunFailed(
            f"The process where all {expected} were to meet ended when {came} had come; its own message tells why."
        ) from error


def claim(store: Store, failure: Failure) -> Failure:
    """Make `failure` the run's, unless another process failed before; return the first one."""
    return Failure.from_json(store.compare_set(_FAILED, "", failure.to_json()).decode())


def first_failure(store: Store, patience: float = 0.0) -> Failure | None:
    """Return the failure that was claimed, waiting up to `patience` seconds for one."""
    until = time.monotonic() + patience
    while not store.check([_FAILED]):
        if time.monotonic() > until:
            return None
        time.sleep(_POLL_SECONDS)
    return Failure.from_json(store.get(_FAILED).decode())


def _wait_for_port(host: str, port: int, patience: float, name: str) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((host, port), timeout=max(_POLL_SECONDS, until - time.monotonic())).close()
            return
        except socket.gaierror as error:
            raise BadInput(f"{name}: the name '{host}' is not known on this machine ({error.strerror}).") from error
        except OSError as error:
            if time.monotonic() > until:
                raise RunFailed(
                    f"{name}: nobody answered there within {patience:g} s. Is the run started on that node, and may "
                    "the port be reached from here (firewall)?"
                ) from error
            time.sleep(_POLL_SECONDS)


def _port_in_use(name: str) -> PortTaken:
    return PortTaken(f"{name}: the port is in use by another program. Choose another one, the same on every node.")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
