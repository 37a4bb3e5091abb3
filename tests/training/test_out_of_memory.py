from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from medcl.study.errors import RunFailed
from medcl.training import out_of_memory as module
from medcl.training.host_memory import Memory
from medcl.training.out_of_memory import is_out_of_memory, out_of_memory_told

CPU = torch.device("cpu")
HUGE = 1 << 60


@pytest.mark.parametrize(
    "take",
    [lambda: torch.empty(HUGE, dtype=torch.uint8), lambda: np.empty(HUGE, np.uint8), lambda: bytearray(HUGE)],
    ids=["torch", "numpy", "python"],
)
def test_allocators_of_this_machine_are_recognised(take: Callable[[], Any]) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as error:
        take()
    assert is_out_of_memory(error.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4096 bytes."),
    ],
    ids=str,
)
def test_other_devices_words_are_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_errors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not is_out_of_memory(error)
    with pytest.raises(RuntimeError) as seen, out_of_memory_told(CPU, lambda: "x", {}):
        raise error
    assert seen.value is error


def told(
    options: dict[str, Any], message: str = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"
) -> list[str]:
    with pytest.raises(RunFailed) as error, out_of_memory_told(CPU, lambda: "step 3", options):
        raise torch.OutOfMemoryError(message)
    return error.value.problems


def test_message_says_where_how_much_and_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "device_memory", lambda device: Memory(1 << 29, 1 << 34))
    first, *rest = told({"precision": "fp32"})
    advice = "\n".join(rest)
    assert first.startswith("Out of memory at step 3: cpu (")
    assert first.endswith(") has 16.0 GiB, 512.0 MiB free; 2.50 GiB more were asked for.")
    places = [advice.index(word) for word in ("--micro-batch auto", "--precision bf16", "--size", "--batch-size")]
    assert places == sorted(places), "the most harmless comes first"


def test_bytes_are_told_as_a_size_and_unknown_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "device_memory", lambda device: None)
    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 3145728 bytes. Error code 12"
    assert told({}, text)[0] == "Out of memory at step 3; 3.0 MiB more were asked for."
    assert told({}, "out of memory")[0] == "Out of memory at step 3."


def test_what_the_run_has_already_is_not_advised() -> None:
    advice = "\n".join(told({"precision": "bf16", "micro_batch": 8}))
    assert "--precision" not in advice
    assert "--micro-batch below 8" in advice
    assert "--micro-batch" not in "\n".join(told({"micro_batch": 1}))
