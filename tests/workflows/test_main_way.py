"""The way that every user goes: the three literal lines in a prepared study, and a run that is killed and resumed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

TIMES = ("second", "share")


def test_the_three_lines(study: Path, medcl: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    assert medcl("pretrain", "--variable", "gfr")[0] == 0
    code, output = medcl("embed")
    assert code == 0
    assert "variable-gfr" in output  # tells which run it chose
    table = pd.read_csv("features/variable-gfr.csv", dtype={"patient": str})
    assert list(table.columns[:4]) == ["patient", "exam", "sequence", "split"]
    assert len(table) == 24
    assert sum(name[0] == "f" and name[1:].isdigit() for name in table) == 512
    code, output = medcl("visualize", "--color", "screat")
    assert code == 0
    page = next(Path("figures").glob("*.html"))
    assert page.name in output
    text = page.read_text(encoding="utf-8")
    assert "P001" in text
    assert "umol/L" in text or "µmol/L" in text


def pretrain(study: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start `medcl pretrain` in a process of its own."""
    command = [sys.executable, "-m", "medcl", "pretrain", "--study", str(study), "--variable", "gfr", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


SETTINGS = ["--name", "run", "--epochs", "3", "--pairs", "in-batch", "--thresholds", "20,21"]
SETTINGS += ["--steps-per-epoch", "6", "--checkpoint-steps", "1"]


def finished(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that must end well."""
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def assert_same_run(first: Path, second: Path) -> None:
    """Weights, optimizer, random states and metrics are equal bit for bit; only times may differ."""
    states = [torch.load(run / "checkpoints" / "last.pt", weights_only=True) for run in (first, second)]
    for name in ("method", "optimizers"):
        assert flat(states[0]["runner"][name]) == flat(states[1]["runner"][name]), name
    assert flat(states[0]["ranks"][0]["randomness"]) == flat(states[1]["ranks"][0]["randomness"])
    tables = [pd.read_csv(run / "metrics.csv") for run in (first, second)]
    plain = [table[[name for name in table if not any(word in name for word in TIMES)]] for table in tables]
    pd.testing.assert_frame_equal(plain[0], plain[1], check_exact=True)
    cards = [json.loads((run / "encoder.json").read_text())["weights_sha256"] for run in (first, second)]
    assert cards[0] == cards[1]


def flat(value: object) -> object:
    """A nested state with a hash in place of each tensor: exact, and short when it is shown."""
    if isinstance(value, torch.Tensor):
        content = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return (str(value.dtype), tuple(value.shape), hashlib.sha256(content).hexdigest())
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    return [flat(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.slow
def test_a_killed_run_ends_like_an_unbroken_one(study: Path, tmp_path: Path) -> None:
    unbroken = Path(shutil.copytree(study, tmp_path / "unbroken"))
    finished(pretrain(unbroken, *SETTINGS))
    process = pretrain(study, *SETTINGS)
    checkpoint = study / "runs" / "run" / "checkpoints" / "last.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()  # SIGKILL: nothing in the process can tidy up
    process.wait()
    assert process.returncode == -9, "the run ended before it was killed"
    finished(pretrain(study, "--name", "run", "--resume"))
    assert_same_run(unbroken / "runs" / "run", study / "runs" / "run")


def test_the_comparison_sees_another_seed(study: Path, tmp_path: Path) -> None:
    """The twin of the test above: runs that differ must not pass for the same."""
    other = Path(shutil.copytree(study, tmp_path / "other"))
    finished(pretrain(study, *SETTINGS))
    finished(pretrain(other, *SETTINGS, "--seed", "5"))
    with pytest.raises(AssertionError):
        assert_same_run(study / "runs" / "run", other / "runs" / "run")
