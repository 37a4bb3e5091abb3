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
    """The script of the first line, on few patients and for one epoch."""
    medcl = Path(sys.executable).with_name("medcl")
    environment = os.environ | {"MEDCL": str(medcl), "PATIENTS": "8"}
    done = subprocess.run(
        [ROOT / "examples" / "transplant" / "run.sh", tmp_path / "demo", "--epochs", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = next((tmp_path / "demo" / "figures").glob("*.html"))
    assert str(page) in done.stdout.splitlines()[-1] or page.name in done.stdout.splitlines()[-1]
    assert "<script src=" not in page.read_text(encoding="utf-8")
