"""Several machines meet before any of them starts a process, so that it can be said who is missing."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from medcl.study.errors import BadInput
from medcl.training.launching.address import Address
from medcl.training.launching.meeting import HOST_STAYS_SECONDS, PortTaken, Store, below, open_store, wait_for_all

_LATER = "later"


@contextmanager
def nodes_met(address: Address | None, nodes: int, patience: float) -> Iterator[int]:
    """Wait for the other machines at `address`; yield this one's number: 0 for the address's own machine.

    Args:
        address: where they meet; None of a machine that is alone.
        nodes: how many there have to be.
        patience: seconds.

    Raises:
        BadInput: the address cannot be used, or the machines disagree on their number or are too many.
        RunFailed: not all came in time.
    """
    if address is None:
        yield 0
        return
    store, is_host = _open(address, patience)
    try:
        yield _met(below(store, "nodes"), is_host, address, nodes, patience)
    except Exception:
        if is_host:
            time.sleep(HOST_STAYS_SECONDS)
        raise


def _met(place: Store, is_host: bool, address: Address, nodes: int, patience: float) -> int:
    """Wait until all are there and of one mind; return this machine's number."""
    number = 0 if is_host else place.add(_LATER, 1)
    facts = {"host": socket.gethostname(), "nodes": nodes}
    place.set(f"node/{number}", json.dumps(facts))
    if number >= nodes:
        raise BadInput(f"--nodes {nodes}: there are more machines than that at {address}; this is number {number + 1}.")
    wait_for_all(place, nodes, patience, lambda came: _missing(came, nodes, address, patience))
    everyone = [json.loads(place.get(f"node/{of}").decode()) for of in range(nodes)]
    if any(one["nodes"] != nodes for one in everyone):
        told = ", ".join(f"--nodes {one['nodes']} on {one['host']}" for one in everyone)
        raise BadInput(f"The machines do not agree on their number: {told}. Give all the same --nodes.")
    return number


def _open(address: Address, patience: float) -> tuple[Store, bool]:
    """Open the store: as its host where the address is this machine's and nobody was first, else as a guest."""
    name = f"--rendezvous {address}"
    if _is_free_here(address):
        with suppress(PortTaken):  # two launchers may both find it free; the slower one is a guest of the quicker
            return open_store(address.host, address.port, True, patience, name), True
    return open_store(address.host, address.port, False, patience, name), False


def _is_free_here(address: Address) -> bool:
    """Tell whether the address is of this machine and its port is not taken."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise BadInput(
            f"--rendezvous {address}: the name '{address.host}' is not known on this machine ({error.strerror}). Use "
            "the numeric address of one of its network cards."
        ) from error
    for family, kind, protocol, _, where in found:
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what an ended run left does not count
            try:
                trial.bind(where)
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):  # of another machine; taken
                    continue
                raise BadInput(f"--rendezvous {address}: the port cannot be used ({error.strerror}).") from error
            return True
    return False


def _missing(came: int, nodes: int, address: Address, patience: float) -> str:
    return (
        f"Only {came} of {nodes} machines came to --rendezvous {address} within {patience:g} s (--node-timeout). "
        "Start the same command on the others, with the same --nodes and --rendezvous, and see that they reach that "
        "port."
    )
