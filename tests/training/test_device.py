from __future__ import annotations

import pytest
import torch

from medcl.study.errors import BadInput
from medcl.training import device
from medcl.training.device import describe_device, require_gpus, resolve_device
from medcl.training.launching.membership import Membership


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_cuda_device_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert resolve_device("auto").type == expected
    assert resolve_device("cpu").type == "cpu"


def test_absent_devices_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "mps"):
        with pytest.raises(BadInput, match=f"--device {name}: .*Use --device cpu"):
            resolve_device(name)
    with pytest.raises(BadInput, match="known are auto, cpu, cuda, mps"):
        resolve_device("tpu")


def test_cuda_without_a_driver_and_without_a_build_read_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "hip", None)
    for version, words in ((None, "built without CUDA"), ("12.8", "no driver")):
        monkeypatch.setattr(torch.version, "cuda", version)
        with pytest.raises(BadInput, match=words):
            resolve_device("cuda")


def test_description_begins_with_the_type() -> None:
    assert describe_device(torch.device("cpu")).startswith("cpu (")


@pytest.mark.parametrize(
    ("there", "gpus", "name", "words"),
    [
        (
            0,
            4,
            "auto",
            r"^--gpus 4: this machine has no GPU that torch can use: .*--device cpu --gpus 4 starts 4 processes",
        ),
        (0, 1, "cuda", r"^--gpus 1: this machine has no GPU .*--device cpu --gpus 1 starts 1 process there"),
        (1, 4, "auto", r"^--gpus 4: this machine has 1 GPU\. Ask for at most 1\.$"),
        (2, 4, "cuda", r"^--gpus 4: this machine has 2 GPUs\. Ask for at most 2\.$"),
        (4, 2, "mps", r"^--gpus 2: --device mps trains in one process"),
    ],
)
def test_more_gpus_than_present_are_refused_with_their_number(
    monkeypatch: pytest.MonkeyPatch, there: int, gpus: int, name: str, words: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(BadInput, match=words):
        require_gpus(gpus, name)


def test_as_many_gpus_as_present_and_any_number_of_cpu_processes_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    require_gpus(2, "auto")
    require_gpus(64, "cpu")
    require_gpus(1, "mps")


@pytest.mark.parametrize(
    ("there", "launcher", "local_rank", "expected"),
    [(4, "torchrun", 3, "cuda:3"), (4, "medcl", 0, "cuda:0"), (4, "srun", 2, "cuda:2"), (1, "srun", 2, "cuda:0")],
)
def test_each_of_several_processes_has_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, there: int, launcher: str, local_rank: int, expected: str
) -> None:
    pretend(monkeypatch, there, launcher, local_rank)
    assert str(resolve_device("auto")) == expected
    assert str(resolve_device("cuda")) == expected
    assert str(resolve_device("cpu")) == "cpu"


def test_more_processes_than_gpus_on_a_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 2, "torchrun", 2)
    with pytest.raises(BadInput, match=r"torchrun started 4 processes on this machine, which has 2 GPUs\."):
        resolve_device("auto")


def pretend(monkeypatch: pytest.MonkeyPatch, there: int, launcher: str, local_rank: int) -> None:
    """Let this process be one of four on a machine with so many GPUs."""
    member = Membership(launcher, local_rank, 4, local_rank, 4, "localhost", 29500)
    monkeypatch.setattr(device, "membership", lambda environment: member)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
