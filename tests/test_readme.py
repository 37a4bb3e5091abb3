"""What the README tells users to type is what works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from medcl.cli.registry import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETUP = re.findall(r"^    (python3 -m venv .*)$", README, flags=re.MULTILINE)


def test_there_are_exactly_two_setup_lines() -> None:
    assert len(SETUP) == 2
    assert "examples/transplant/run.sh" in SETUP[0]
    assert "pytest" in SETUP[1]
    for part in ("ruff check", "ruff format --check", "mypy"):
        assert part in SETUP[1]


def test_ci_runs_the_readmes_test_line() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"sed -n '(.*)' README.md", script)
    assert pattern is not None
    found = subprocess.run(
        ["sed", "-n", pattern[1], "README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert found.strip() == SETUP[1]


def test_every_command_in_the_readme_exists() -> None:
    named = set(re.findall(r"^    medcl (\w+)", README, flags=re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (ROOT / link).exists(), link


@pytest.mark.slow
def test_the_main_job_ends_by_naming_the_page(tmp_path: Path) -> None:
    """What the first line runs after installing, word for word, on few patients and for one epoch."""
    words = SETUP[0].split(" && ")[-1]
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "medcl").symlink_to(Path(sys.executable).with_name("medcl"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        ["bash", "-c", words],
        cwd=tmp_path,
        env=os.environ | {"PATIENTS": "6", "EPOCHS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1" in done.stdout + done.stderr
    page = next((tmp_path / "demo" / "figures").glob("*.html"))
    assert page.name in done.stdout.splitlines()[-1]
    assert "<script src=" not in page.read_text(encoding="utf-8")
