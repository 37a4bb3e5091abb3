"""In which floating point format a step computes: chosen where the hardware has it, never emulated in silence."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from medcl.study.errors import BadInput
from medcl.training.bf16_check import cpu_bf16_gradients_are_right
from medcl.training.settings import PRECISIONS

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NATIVE_BF16 = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Precision:
    """A resolved precision.

    Attributes:
        name: "fp32", "bf16" or "fp16".
        device_type: "cpu", "cuda" or "mps".
    """

    name: str
    device_type: str

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run; weights and optimizer stay in fp32."""
        dtype = _DTYPES.get(self.name)
        return nullcontext() if dtype is None else torch.autocast(self.device_type, dtype=dtype)

    def scaler(self) -> torch.amp.GradScaler | None:
        """Return a new gradient scaler where the format's small range needs one (fp16), else None."""
        return torch.amp.GradScaler(self.device_type) if self.name == "fp16" else None


def resolve_precision(name: str, device: torch.device) -> Precision:
    """Return the precision that `name` means on `device`.

    "auto" is bf16 on GPUs that have it and on CPUs that compute in it natively (AVX512-BF16 or AMX; elsewhere it is
    slower than fp32) and right, else fp32.

    Raises:
        BadInput: the name is unknown, or the device cannot compute in that precision, or computes wrongly in it.
    """
    if name not in PRECISIONS:
        raise BadInput(f"--precision is {name!r}; known are {', '.join(PRECISIONS)}.")
    if name == "auto":
        return Precision("bf16" if _has_bf16(device) else "fp32", device.type)
    if name == "fp16" and device.type != "cuda":
        raise BadInput(f"--precision fp16 needs a CUDA device, not {device.type}; use bf16, fp32 or auto.")
    if name == "bf16" and device.type == "cpu" and not cpu_bf16_gradients_are_right():
        raise BadInput(
            f"--precision bf16: torch {torch.__version__} computes wrong gradients of 3D convolutions in bfloat16 on "
            "this CPU (a small convolution was tried); use fp32 or auto, or another version of torch."
        )
    if name == "bf16" and device.type != "cpu" and not _has_bf16(device):
        raise BadInput(f"--precision bf16: this {device.type} device has no bfloat16; use fp32 or auto.")
    return Precision(name, device.type)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(_cpu_features() & _NATIVE_BF16) and cpu_bf16_gradients_are_right()


def _cpu_features() -> set[str]:
    """Return what the CPU says that it has, by torch where it knows, else by the Linux kernel."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        return {name for name, has in capabilities().items() if has is True}
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    return {word for line in text.splitlines() if line.startswith("flags") for word in line.split()}
