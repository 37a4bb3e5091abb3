"""Several launchers, here on one machine, as several machines that meet."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crews import free_port, outcome, start, workers

from medcl.study.errors import BadInput, MedclError
from medcl.training.launching import meeting, nodes
from medcl.training.launching.address import Address
from medcl.training.launching.meeting import PortTaken, Store
from medcl.training.launching.nodes import nodes_met

pytestmark = [pytest.mark.ddp, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes need Linux")]

SECONDS = 30.0


def node(port: int, *words: str, **options: Any) -> subprocess.Popen[str]:
    """Start a launcher with one worker that meets another at `port`."""
    told = {"processes": 1, "nodes": 2, "rendezvous": f"localhost:{port}", "patience": 60.0, **options}
    return start("launch", *words, json.dumps(told))


def test_two_nodes_train_together_and_each_gets_its_first_workers_result() -> None:
    port = free_port()
    first, second = (
        json.loads(outcome(one)[1].splitlines()[-1]) for one in (node(port, "greet", "a"), node(port, "greet", "a"))
    )
    assert {first["rank"], second["rank"]} == {0, 1}
    assert (first["world"], first["sum"]) == (second["world"], second["sum"]) == (2, 1.0)


def test_a_failure_on_one_node_is_the_error_of_both() -> None:
    port = free_port()
    started = time.monotonic()
    done = [outcome(one) for one in (node(port, "fail", "run"), node(port, "fail", "run"))]
    assert time.monotonic() - started < SECONDS
    assert [(code, errors) for code, _, errors in done] == [(1, "Error: the disk of rank 1 is full\n")] * 2


def test_a_signal_to_one_node_stops_both(tmp_path: Path) -> None:
    port = free_port()
    launchers = [node(port, "wait_to_be_stopped", str(tmp_path)) for _ in range(2)]
    workers(tmp_path, 2, launchers)
    launchers[1].terminate()
    done = [outcome(one) for one in launchers]
    assert [code for code, _, _ in done] == [1, 1]
    assert all("--resume goes on" in errors for _, _, errors in done)
    assert (tmp_path / "saved-0").read_text() == (tmp_path / "saved-1").read_text()


def test_a_node_that_is_killed_ends_the_other(tmp_path: Path) -> None:
    port = free_port()
    launchers = [node(port, "wait_to_be_stopped", str(tmp_path)) for _ in range(2)]
    workers(tmp_path, 2, launchers)
    launchers[1].kill()
    code, _, errors = outcome(launchers[0], SECONDS)
    outcome(launchers[1])
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert "ended without a word" in errors


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where a program listens that is none of ours."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield int(one.getsockname()[1])


def test_a_port_in_use_is_told_in_seconds(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "_ANSWER_SECONDS", 1.0)
    assert met(taken, [2]) == [
        f"--rendezvous 127.0.0.1:{taken}: the port is in use by another program. Choose another one, the same on every "
        "node."
    ]


def test_two_that_find_the_port_free_at_once_still_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launchers on one machine: the port is taken between the slower one's look and its try."""
    monkeypatch.setattr(nodes, "_is_free_here", lambda address: True)
    monkeypatch.setattr(nodes, "open_store", once_here(nodes.open_store))
    assert sorted(met(free_port(), [2, 2])) == ["0", "1"]


def test_another_program_is_told_also_when_it_came_in_the_last_moment(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_is_free_here", lambda address: True)
    monkeypatch.setattr(meeting, "_ANSWER_SECONDS", 1.0)
    assert "the port is in use by another program" in met(taken, [2])[0]


def test_an_unknown_host_is_told() -> None:
    with (
        pytest.raises(BadInput, match=r"the name 'no-such-host\.invalid' is not known on this machine"),
        nodes_met(Address("no-such-host.invalid", 29500), nodes=2, patience=60.0),
    ):
        pass


def test_nodes_are_numbered_from_the_one_of_the_address() -> None:
    assert sorted(met(free_port(), [3, 3, 3])) == ["0", "1", "2"]


def test_a_node_that_never_comes_is_told_in_time() -> None:
    port = free_port()
    told = met(port, [3, 3], patience=1.0)
    start_of = f"Only 2 of 3 machines came to --rendezvous 127.0.0.1:{port} within 1 s (--node-timeout)."
    assert [words.startswith(start_of) for words in told] == [True, True]


def test_nodes_that_disagree_on_their_number_are_refused() -> None:
    told = met(free_port(), [2, 3], patience=1.0)
    assert any("The machines do not agree on their number: --nodes " in words for words in told)
    assert not {"0", "1"} <= set(told)


def test_one_node_too_many_is_refused() -> None:
    told = met(free_port(), [2, 2, 2])
    assert {"0", "1"} < set(told)
    assert any(words.startswith("--nodes 2: there are more machines than that") for words in told)


def once_here(really: Callable[..., Store]) -> Callable[..., Store]:
    """Let only the first start a store, as among processes; torch lets one process start the same one twice."""
    first = threading.Lock()

    def open_store(host: str, port: int, serve: bool, patience: float, name: str) -> Store:
        if serve and not first.acquire(blocking=False):
            raise PortTaken(name)
        return really(host, port, serve, patience, name)

    return open_store


def met(port: int, counts: list[int], patience: float = 20.0) -> list[str]:
    """Let so many launchers meet, each with its --nodes; return their numbers, or what they were told instead.

    Each stays until all have their answer, as a launcher does until its workers end.
    """
    told = [""] * len(counts)
    answered = [threading.Event() for _ in counts]

    def come(who: int) -> None:
        try:
            with nodes_met(Address("127.0.0.1", port), counts[who], patience) as number:
                told[who] = str(number)
                answered[who].set()
                for other in answered:
                    other.wait(30)
        except MedclError as error:
            told[who] = str(error)
            answered[who].set()

    threads = [threading.Thread(target=come, args=(who,)) for who in range(len(counts))]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join(60)
    return told
