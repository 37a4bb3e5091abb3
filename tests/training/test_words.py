from __future__ import annotations

import pytest
import torch

from medcl.training.memory import peak_memory
from medcl.training.words import duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (42.3, "42 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 0 min"),
        (25500, "7 h 5 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(640, "640 B"), (2048, "2.0 KiB"), (12.3 * 2**20, "12.3 MiB"), (1.6 * 2**30, "1.6 GiB")]
)
def test_size(count: float, text: str) -> None:
    assert size(count) == text


def test_peak_memory_of_the_process_grows_with_what_it_holds() -> None:
    before = peak_memory(torch.device("cpu"))
    assert before is not None
    held = torch.ones(64 << 20, dtype=torch.uint8)
    after = peak_memory(torch.device("cpu"))
    assert after is not None
    assert 50 << 20 < before <= after
    assert after < 64 << 30
    del held
