"""--cache and --compile change how fast a training is, and what it reads, but not what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from medcl.imaging.store import VolumeStore
from medcl.networks.encoder import Encoder
from medcl.training.host_memory import Memory
from medcl.workflows import device_cache
from medcl.workflows.device_cache import cache_bytes
from medcl.workflows.pretrain import PretrainOptions, pretrain


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cases of the volumes that were read."""
    seen: list[str] = []
    read = VolumeStore.read

    def noted(self: VolumeStore, entry: Any, out: Any = None) -> Any:
        seen.append(entry.case)
        return read(self, entry, out)

    monkeypatch.setattr(VolumeStore, "read", noted)
    return seen


def trained(study: Path, name: str, **options: Any) -> dict[str, torch.Tensor]:
    pretrain(PretrainOptions.resolve({"study": study, "variable": "gfr", "name": name, **options}))
    return load_file(study / "runs" / name / "encoder.safetensors")


def test_a_cache_reads_every_volume_once(study: Path, reads: list[str]) -> None:
    without = trained(study, "without", cache="off")
    often = list(reads)
    reads.clear()
    cached = trained(study, "cached", cache="on")
    assert len(reads) == len(set(reads)), "once each"
    assert len(often) > len(reads)
    assert all(torch.equal(cached[name], without[name]) for name in without)


def test_auto_takes_a_quarter_of_a_gpus_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "device_memory", lambda device: Memory(free=4000, total=9000))
    assert cache_bytes("auto", torch.device("cuda")) == 1000
    assert cache_bytes("auto", torch.device("cpu")) == 0, "there the memory map does it"
    assert cache_bytes("off", torch.device("cuda")) == 0


def test_a_compiled_encoder_gives_the_same_weights_under_the_same_names(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = trained(study, "plain", epochs=1, warmup_epochs=0)
    # torch's tracing without the minutes of generating code
    monkeypatch.setattr(Encoder, "compile", lambda self: nn.Module.compile(self, backend="eager"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = trained(study, "compiled", epochs=1, warmup_epochs=0, compile=True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert plain.keys() == compiled.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-4, atol=1e-5)
