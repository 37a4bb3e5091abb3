from __future__ import annotations

import pytest
import torch

from medcl.training import device_memory as module
from medcl.training.device_memory import device_memory
from medcl.training.host_memory import Memory


def test_the_cpus_memory_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "host_memory", lambda: Memory(3, 5))
    assert device_memory(torch.device("cpu")) == Memory(3, 5)


def test_what_torch_holds_of_a_gpu_and_does_not_use_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (60, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 10)
    assert device_memory(torch.device("cuda")) == Memory(80, 100)


def test_a_device_that_does_not_tell() -> None:
    assert device_memory(torch.device("mps")) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_memory_of_a_gpu_falls_by_what_is_taken() -> None:
    device = torch.device("cuda")
    before = device_memory(device)
    taken = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    after = device_memory(device)
    assert before is not None
    assert after is not None
    assert before.free - after.free >= len(taken)
    assert after.total == before.total
