from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch

from medcl.training.device import describe_device
from medcl.training.launching.process_list import list_processes
from tests.training.ranks import in_ranks

CPU = torch.device("cpu")


def test_one_process() -> None:
    expected = {"rank": 0, "host": socket.gethostname(), "device": describe_device(CPU)}
    assert list_processes(CPU) == [expected]


@pytest.mark.ddp
def test_every_process_lists_all(tmp_path: Path) -> None:
    first, second = in_ranks(2, list_processes, tmp_path, CPU)
    assert first == second
    assert [process["rank"] for process in first] == [0, 1]
