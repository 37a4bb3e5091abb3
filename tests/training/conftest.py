"""Puts the toy method and source beside these tests on the path, for the tests and for the processes they start."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def bf16_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the toy networks run in bfloat16 whatever this machine's torch does to 3D convolutions."""
    monkeypatch.setattr("medcl.training.precision.cpu_bf16_gradients_are_right", lambda: True)
