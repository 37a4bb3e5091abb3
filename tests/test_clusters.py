"""The batch script of docs/how-to does what the page says, with stand-ins for SLURM's commands and for medcl."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
SCRIPT = HOW_TO / "medcl.sbatch"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="bash and signals")

# srun passes signals on to its tasks; `exec` has the same effect
SRUN = """#!/bin/bash
echo "srun $*" >> called
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> called
"""
# begins a run on the first call and trains until it is stopped; ends well when it resumes
MEDCL = """#!/bin/bash
echo "medcl $*" >> called
case "$*" in *--resume*) exit 0;; esac
trap 'echo saved >> called; exit 1' USR1 TERM
mkdir -p "runs/medcl-$SLURM_JOB_ID"
echo '{"options": {}}' > "runs/medcl-$SLURM_JOB_ID/run.json"
touch trains
for ((i = 0; i < 600; i++)); do sleep 0.05; [ -e fails ] && exit 2; done
"""


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the batch script as job 7 in a folder with the stand-ins."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "medcl": MEDCL}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(SCRIPT), *words],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tools}:{os.environ['PATH']}",
                "SLURM_JOB_ID": "7",
                "SLURM_CPUS_PER_TASK": "8",
            },
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


def called(folder: Path) -> list[str]:
    return (folder / "called").read_text().splitlines()


def trains(folder: Path) -> None:
    until = time.monotonic() + 30
    while not (folder / "trains").exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_script_is_bash() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)


def test_a_job_whose_time_is_over_saves_is_queued_again_and_goes_on(
    submit: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    job = submit("--variable", "gfr")
    trains(tmp_path)
    job.send_signal(signal.SIGUSR1)
    assert "queued again and will go on with runs/medcl-7" in job.communicate(timeout=60)[0]
    assert called(tmp_path) == [
        "srun --kill-on-bad-exit=1 --cpus-per-task=8 medcl pretrain --variable gfr --name medcl-7 --overwrite",
        "medcl pretrain --variable gfr --name medcl-7 --overwrite",
        "saved",
        "scontrol requeue 7",
    ]
    (tmp_path / "called").unlink()
    again = submit("--variable", "gfr")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert called(tmp_path)[1:] == ["medcl pretrain --resume --name medcl-7"]


def test_a_run_that_fails_is_not_queued_again(submit: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    job = submit("--variable", "gfr")
    trains(tmp_path)
    (tmp_path / "fails").touch()
    job.communicate(timeout=60)
    assert job.returncode == 2
    assert len(called(tmp_path)) == 2


def test_a_job_that_is_cancelled_saves_and_is_not_queued_again(
    submit: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    job = submit("--variable", "gfr")
    trains(tmp_path)
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert job.returncode == 1
    assert called(tmp_path)[2:] == ["saved"]


def test_the_page_and_the_script_name_the_same_things() -> None:
    page = (HOW_TO / "clusters.md").read_text()
    for word in ("--signal=B:USR1@300", "--kill-on-bad-exit=1"):
        assert word in page
        assert word in SCRIPT.read_text()
