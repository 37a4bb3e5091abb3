"""Starting `start_crew.py`, and finding what it left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def start(
    *words: str, variables: Mapping[str, str] | None = None, program: Path = HERE / "start_crew.py"
) -> subprocess.Popen[str]:
    """Start `start_crew.py WORDS`, or another program that may import what stands beside it."""
    path = os.pathsep.join([str(REPOSITORY), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    quiet = {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "FATAL", "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, str(program), *words],
        env={**os.environ, **quiet, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str, str]:
    """Exit status and what was printed on standard output and standard error; killed when it takes too long."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that must happen."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def workers(folder: Path, count: int, launchers: Sequence[subprocess.Popen[str]] = ()) -> list[int]:
    """Wait until `count` ranks take steps (`crew_toy.wait_to_be_stopped`); return their processes.

    One of `launchers` that ends before is told with what it printed.
    """

    def all_there() -> bool:
        for one in launchers:
            assert one.poll() is None, f"a launcher ended: {outcome(one)}"
        return sum(file.read_text() != "" for file in folder.glob("rank-*")) == count

    wait_until(all_there)
    return [int((folder / f"rank-{rank}").read_text()) for rank in range(count)]


def lives(pid: int) -> bool:
    """Tell whether a process runs (one that ended and was not yet waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port() -> int:
    """A port that nobody used a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def kill(pid: int, signum: int = signal.SIGKILL) -> None:
    """Send a signal."""
    os.kill(pid, signum)
