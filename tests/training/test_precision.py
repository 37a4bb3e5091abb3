from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medcl.study.errors import BadInput
from medcl.training import precision
from medcl.training.precision import Precision, resolve_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def right_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the tests from whether this machine's torch computes bfloat16 right."""
    monkeypatch.setattr(precision, "cpu_bf16_gradients_are_right", lambda: True)


def test_a_cpu_that_computes_bf16_wrong_trains_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(precision, "cpu_bf16_gradients_are_right", lambda: False)
    assert resolve_precision("auto", CPU).name == "fp32"
    with pytest.raises(BadInput, match="wrong gradients"):
        resolve_precision("bf16", CPU)


@pytest.mark.parametrize(
    ("features", "name"),
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True, "avx2": True}, "bf16"), ({"avx512_bf16": False}, "fp32")],
)
def test_auto_on_a_cpu_is_bf16_only_where_native(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], name: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert resolve_precision("auto", CPU).name == name


def test_older_torch_asks_the_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(precision, "Path", lambda name: cpuinfo)
    assert resolve_precision("auto", CPU).name == "fp32"  # no such file: not Linux
    cpuinfo.write_text("model name: avx512_bf16\nflags\t\t: fpu sse amx_bf16\n")
    assert resolve_precision("auto", CPU).name == "bf16"
    cpuinfo.write_text("model name: avx512_bf16\nflags\t\t: fpu sse\n")
    assert resolve_precision("auto", CPU).name == "fp32"


@pytest.mark.parametrize(("has", "name"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_a_gpu_is_bf16_where_not_emulated(monkeypatch: pytest.MonkeyPatch, has: bool, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has or including_emulation)
    assert resolve_precision("auto", CUDA).name == name


def test_precisions_that_a_device_lacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    with pytest.raises(BadInput, match="fp16 needs a CUDA device, not cpu"):
        resolve_precision("fp16", CPU)
    with pytest.raises(BadInput, match="no bfloat16"):
        resolve_precision("bf16", CUDA)
    with pytest.raises(BadInput, match="known are auto, fp32, bf16, fp16"):
        resolve_precision("fp8", CPU)


def test_autocast_computes_in_the_precision() -> None:
    weight, data = torch.ones(2, 2), torch.ones(2, 2)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with Precision(name, "cpu").autocast():
            assert (data @ weight).dtype is dtype
    assert (data @ weight).dtype is torch.float32


def test_only_fp16_has_a_scaler() -> None:
    assert Precision("fp16", "cpu").scaler() is not None
    assert Precision("bf16", "cpu").scaler() is None
