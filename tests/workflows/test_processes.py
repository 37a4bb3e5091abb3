"""`medcl pretrain` in several processes, as users and clusters start it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import medcl as package
from medcl.study.errors import BadInput
from medcl.training.launching.membership import GUARD
from medcl.workflows import processes
from medcl.workflows.pretrain import PretrainOptions, pretrain
from medcl.workflows.processes import in_processes, is_main_process
from medcl.workflows.training_options import TrainingOptions

REPOSITORY = Path(package.__file__).parents[1]
SECONDS = 240

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="tells what is said where there is no GPU")


def command(study: Path, *words: str, torchrun: bool = False, **variables: str) -> subprocess.Popen[str]:
    """Start `medcl WORDS` in the study."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"] if torchrun else []
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "medcl", *words],
        cwd=study,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output, errors


def record(study: Path, run: str = "variable-gfr") -> Any:
    return json.loads((study / "runs" / run / "run.json").read_text())


# --- the user's literal lines --------------------------------------------------------------------------------------


@no_gpu
def test_gpus_that_are_not_there_are_told_before_anything_starts(study: Path) -> None:
    started = time.monotonic()
    code, output, errors = outcome(command(study, "pretrain", "--variable", "gfr", "--gpus", "4"))
    assert (code, output) == (2, "")
    assert errors.startswith("Error: --gpus 4: this machine has no GPU that torch can use: ")
    assert "--device cpu --gpus 4 starts 4 processes there" in errors
    assert len(errors.splitlines()) == 1
    assert time.monotonic() - started < 60
    assert not (study / "runs").exists()


@pytest.mark.ddp
@pytest.mark.slow
def test_four_processes_on_the_cpu_train_one_run(study: Path) -> None:
    settings = study / "medcl.toml"
    settings.write_text(settings.read_text().replace("epochs = 2", "epochs = 1").replace("epoch = 16", "epoch = 8"))
    words = ["pretrain", "--variable", "gfr", "--device", "cpu", "--gpus", "4"]
    code, output, errors = outcome(command(study, *words))
    assert code == 0, errors
    assert errors.splitlines()[0] == "Starting 4 processes on the CPU of this machine."
    assert [line[:9] for line in output.splitlines() if line.startswith("epoch")] == ["epoch 1/1"]
    assert output.endswith(f"Run variable-gfr is in {study / 'runs' / 'variable-gfr'}\nNext: medcl embed\n")
    assert [path.name for path in (study / "runs").iterdir() if path.is_dir()] == ["variable-gfr"]
    told = record(study)
    assert (told["status"], told["processes"], told["options"]["gpus"]) == ("finished", 4, 4)
    assert (study / "runs" / "variable-gfr" / "encoder.safetensors").is_file()


@pytest.mark.ddp
def test_a_notebook_gets_the_forecast_of_a_dry_run(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = PretrainOptions.resolve({"study": study, "variable": "gfr", "gpus": 2, "device": "cpu", "dry_run": True})
    done = pretrain(options)
    assert done.run is None
    assert done.forecast is not None
    assert done.forecast.epochs == 2
    assert not (study / "runs").exists()


# --- stopped and resumed -------------------------------------------------------------------------------------------


def step_of(checkpoint: Path) -> int:
    """Steps that a run has saved; 0 at the moment when a new checkpoint takes the old one's name."""
    try:
        return int(torch.load(checkpoint, weights_only=True)["place"]["step"])
    except FileNotFoundError:
        return 0


@pytest.mark.ddp
@pytest.mark.slow
def test_sigterm_saves_a_checkpoint_and_resume_starts_as_many_processes(study: Path) -> None:
    words = ["pretrain", "--variable", "gfr", "--device", "cpu", "--gpus", "2", "--epochs", "60"]
    parent = command(study, *words, "--checkpoint-steps", "1")
    checkpoint = study / "runs" / "variable-gfr" / "checkpoints" / "last.pt"
    until = time.monotonic() + SECONDS
    while not checkpoint.exists() and time.monotonic() < until:
        time.sleep(0.1)
    parent.send_signal(signal.SIGTERM)
    code, output, errors = outcome(parent)
    assert code == 1
    assert errors.count("Error: ") == 1
    assert errors.splitlines()[-1].startswith("Error: Stopped by SIGTERM. The last good checkpoint, of epoch ")
    assert errors.rstrip().endswith("the same command with --resume goes on from there.")
    step = step_of(checkpoint)
    assert step >= 1

    resumed = command(study, "pretrain", "--resume")  # as many processes as the run had
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and step_of(checkpoint) <= step:
        time.sleep(0.1)
    resumed.send_signal(signal.SIGTERM)
    code, output, errors = outcome(resumed)
    assert code == 1
    assert "Starting 2 processes on the CPU of this machine." in errors
    assert "Resuming " in output
    assert step_of(checkpoint) > step


# --- started by others ---------------------------------------------------------------------------------------------


@pytest.mark.ddp
@pytest.mark.slow
def test_processes_of_torchrun_join_and_the_first_one_tells(study: Path) -> None:
    words = ["pretrain", "--variable", "gfr", "--device", "cpu", "--epochs", "1"]
    code, output, errors = outcome(command(study, *words, torchrun=True))
    assert code == 0, errors
    assert output.count("Next: medcl embed") == 1
    assert output.count("epoch 1/1") == 1
    assert errors.count("Patients: ") == 1
    assert record(study)["processes"] == 2


@pytest.mark.ddp
def test_gpus_that_contradict_torchrun_are_refused(study: Path) -> None:
    words = ["pretrain", "--variable", "gfr", "--device", "cpu", "--gpus", "4"]
    code, _, errors = outcome(command(study, *words, torchrun=True))
    assert code == 1  # torchrun's own; each process ends with 2
    assert "--gpus 4: torchrun started 2 processes on this machine and 2 in all." in errors


def slurm_step(
    study: Path, *words: str, code: Path = REPOSITORY, more: Sequence[str] = ()
) -> list[tuple[int, str, str]]:
    """Start `medcl WORDS` as the two tasks of a simulated SLURM step, the second with `code` and `more` words."""
    step = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_STEP_NODELIST": "localhost",
    }
    tasks = []
    for rank in range(2):
        variables = {**step, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}
        if rank == 1:
            variables["PYTHONPATH"] = str(code)
        tasks.append(command(study, *words, *(more if rank == 1 else ()), **variables))
    return [outcome(task) for task in tasks]


@pytest.mark.ddp
@pytest.mark.slow
def test_tasks_of_a_slurm_step_train_one_run(study: Path) -> None:
    (code, output, errors), other = slurm_step(
        study, "pretrain", "--variable", "gfr", "--epochs", "1", "--device", "cpu"
    )
    assert code == 0, errors
    assert output.endswith("Next: medcl embed\n")
    assert other == (0, "", "")
    assert [path.name for path in (study / "runs").iterdir() if path.is_dir()] == ["variable-gfr"]


@pytest.mark.ddp
def test_another_medcl_or_other_options_on_one_process_are_refused(study: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(REPOSITORY / "medcl", changed / "medcl", ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "medcl" / "losses" / "nt_xent.py").open("a") as file:
        file.write("# changed on one node only\n")
    done = slurm_step(study, "pretrain", "--variable", "gfr", "--device", "cpu", code=changed, more=["--lr", "0.5"])
    told = "".join(errors for _, _, errors in done)
    assert sorted(code for code, _, _ in done) == [1, 2]
    assert told.count("Error: ") == 1
    assert "The processes of this run do not have the same code of medcl: " in told
    assert "The processes of this run do not have the same --lr: 0.01 on rank 0; 0.5 on rank 1." in told
    assert not (study / "runs").exists()


# --- what is refused without starting anything ---------------------------------------------------------------------


def work(options: TrainingOptions) -> str:
    return f"{options.gpus} of {options.nodes}"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a launcher in the environment, whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in ("RANK", "WORLD_SIZE", GUARD):
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("alone")
def test_one_process_works_right_here() -> None:
    assert in_processes(work, TrainingOptions()) == "None of 1"
    assert in_processes(work, TrainingOptions(gpus=1, device="cpu")) == "1 of 1"
    assert is_main_process()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nodes": 2}, "--nodes 2 needs --rendezvous HOST:PORT"),
        ({"rendezvous": "node1:29500"}, "--rendezvous is where several machines meet: give --nodes too"),
    ],
)
def test_nodes_and_rendezvous_go_together(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        in_processes(work, TrainingOptions(**given, device="cpu"))


@no_gpu
@pytest.mark.usefixtures("alone")
def test_one_gpu_is_not_quietly_replaced_by_the_cpu() -> None:
    with pytest.raises(BadInput, match="--gpus 1: this machine has no GPU"):
        in_processes(work, TrainingOptions(gpus=1))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gpus": 0}, "--gpus: got 0"),
        ({"nodes": 0}, "--nodes: got 0"),
        ({"node_timeout": 0}, "--node-timeout: got 0"),
        ({"rendezvous": "node1"}, "--rendezvous: got 'node1', but expected HOST:PORT"),
    ],
)
def test_senseless_numbers_and_addresses_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        TrainingOptions(**given)


@pytest.mark.usefixtures("alone")
def test_resume_asks_for_the_stopped_runs_own_options() -> None:
    def stopped(options: TrainingOptions) -> TrainingOptions:
        return options.model_copy(update={"gpus": 1})

    assert in_processes(work, TrainingOptions(device="cpu", resume=True), stopped) == "1 of 1"
    assert in_processes(work, TrainingOptions(device="cpu"), stopped) == "None of 1"


@pytest.mark.usefixtures("alone")
def test_a_stray_guard_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GUARD, "1")
    with pytest.raises(BadInput, match=f"The variable {GUARD} is set"):
        in_processes(work, TrainingOptions())


@pytest.mark.usefixtures("alone")
def test_one_process_of_torchrun_works_right_here_and_starts_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    for name, value in one.items():
        monkeypatch.setenv(name, value)
    assert in_processes(work, TrainingOptions()) == "None of 1"
    with pytest.raises(BadInput, match="--gpus 4: torchrun started 1 process on this machine and 1 in all"):
        in_processes(work, TrainingOptions(gpus=4, device="cpu"))
    with pytest.raises(BadInput, match="--nodes 3: torchrun started 1 process on"):
        in_processes(work, TrainingOptions(nodes=3, device="cpu"))


def test_the_hash_of_the_code_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("no code\n")
    first = processes._hash_of_code(tmp_path)
    (tmp_path / "notes.txt").write_text("other notes\n")
    assert processes._hash_of_code(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    second = processes._hash_of_code(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, processes._hash_of_code(tmp_path)}) == 3
