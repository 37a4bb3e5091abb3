"""The door of `medcl doctor`."""

from __future__ import annotations

import json
from typing import Any

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.doctor import DoctorOptions, Report, doctor


def summary(report: Report) -> None:
    """Print the facts and what to do about what is missing."""
    if report.json:
        typer.echo(json.dumps({**report.facts, "advice": report.advice}, indent=2, ensure_ascii=False))
        return
    for name, told in _lines(report.facts):
        typer.echo(f"{name:<14}{told}")
    for sentence in report.advice:
        typer.echo(f"- {sentence}")


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    torch, machine, disk = facts["torch"], facts["machine"], facts["disk"]
    lines = list(facts["versions"].items())
    memory = f"{machine['memory_gib']} GiB" if machine["memory_gib"] else "unknown"
    lines += [("cores", f"{machine['cores']}"), ("memory", memory)]
    for number, gpu in enumerate(torch["gpus"]):
        told = (
            f"{gpu['name']}, {gpu['memory_gib']} GiB ({gpu['free_gib']} free), native bf16 {_yes(gpu['native_bf16'])}"
        )
        lines.append((f"GPU {number}", told))
    if not torch["gpus"]:
        lines.append(("GPU", "Apple (mps)" if torch.get("apple_gpu") else "none"))
    if torch["works"]:
        bf16 = f"native {_yes(torch['cpu_native_bf16'])}"
        if not torch["cpu_bf16_gradients_right"]:
            bf16 = "not used: this torch computes wrong gradients in it here (small convolutions were tried)"
        lines.append(("CPU bf16", f"{bf16}, {counted(torch['threads'], 'torch thread')}"))
    lines.append(("DICOM codecs", ", ".join(f"{name} {_yes(there)}" for name, there in facts["codecs"].items())))
    lines.append(("text", ", ".join(f"{name} {there or 'no'}" for name, there in facts["text"].items())))
    where = "study" if disk["is_study"] else "folder (no study)"
    lines.append(("disk", f"{disk['free_gib']} of {disk['total_gib']} GiB free, {where} {disk['folder']}"))
    return lines


def _yes(there: bool) -> str:
    return "yes" if there else "no"


command = door(DoctorOptions, doctor, summary)
