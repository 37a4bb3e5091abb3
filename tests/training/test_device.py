from __future__ import annotations

import pytest
import torch

from medcl.study.errors import BadInput
from medcl.training.device import describe_device, resolve_device


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
