"""Pretrained text encoders from folders and the cache: what is found, what is refused, and that nobody is asked."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medcl.networks import text_folder as module
from medcl.networks.text_encoder import build_text_encoder
from medcl.networks.text_folder import text_folder
from medcl.study.errors import BadInput, RunFailed
from tests.networks.text_folders import SIGNS, WORDS, write_bert, write_words

transformers = pytest.importorskip("transformers")
hub = pytest.importorskip("huggingface_hub")

NAME = "somebody/tiny-bert"
TEXTS = ["The GFR was low.", "The GFRs was high."]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return write_bert(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Everything that was looked up or connected to beyond this machine; each fails."""
    questions: list[Any] = []

    def refuse(*told: Any, **_: Any) -> None:
        questions.append(told)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return questions


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of Hugging Face."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


def fill(cache: Path, bert: Path) -> Path:
    """Lay `bert` into the cache as a download does."""
    stored = cache / f"models--{NAME.replace('/', '--')}"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text("0123abcd")
    return Path(shutil.copytree(bert, stored / "snapshots" / "0123abcd"))


def test_the_guard_sees_a_question(asked: list[Any]) -> None:
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("example.org", 80), timeout=1)
    assert asked


def test_a_folder_is_read_without_asking_anybody(bert: Path, asked: list[Any]) -> None:
    encoder = build_text_encoder(str(bert), frozen_layers=0)
    assert encoder.features == 16
    ids, mask = encoder.tokens(TEXTS)
    words = [*SIGNS, *WORDS]
    assert [words[number] for number in ids[1][mask[1]]] == [
        *("[CLS]", "the", "gfr", "##s", "was", "high", ".", "[SEP]")
    ]
    model = transformers.BertModel.from_pretrained(bert).eval()
    expected = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state[:, 0]
    torch.testing.assert_close(encoder.eval()(ids, mask), expected)
    assert not asked


def test_a_name_in_the_cache_is_read_without_asking_anybody(bert: Path, cache: Path, asked: list[Any]) -> None:
    stored = fill(cache, bert)
    assert text_folder(NAME) == stored
    assert build_text_encoder(NAME).card()["name"] == NAME
    assert not asked


def test_a_name_that_is_nowhere_is_refused_without_asking_anybody(cache: Path, asked: list[Any]) -> None:
    with pytest.raises(BadInput) as refused:
        build_text_encoder("emilyalsentzer/Bio_ClinicalBERT")
    for words in ("emilyalsentzer/Bio_ClinicalBERT", str(cache), "--download", "folder"):
        assert words in str(refused.value)
    assert not asked


def test_only_who_says_so_downloads(bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Any] = []

    def snapshot(name: str, **named: Any) -> str:
        fetched.append((name, named))
        return str(fill(cache, bert))

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    with pytest.raises(BadInput):
        build_text_encoder(NAME)
    build_text_encoder(str(bert), download=True)  # it is here
    assert not fetched
    assert build_text_encoder(NAME, download=True).features == 16
    assert [name for name, _ in fetched] == [NAME]
    assert "*.safetensors" in fetched[0][1]["allow_patterns"]


def test_a_failed_download_is_told(cache: Path, asked: list[Any]) -> None:
    with pytest.raises(RunFailed, match=f"--text-encoder {NAME} could not be downloaded: .+"):
        build_text_encoder(NAME, download=True)
    assert asked


def test_weights_published_the_old_way_are_read(bert: Path, tmp_path: Path, asked: list[Any]) -> None:
    """As Bio+Clinical BERT is: pytorch_model.bin of a language model, no tokenizer.json, no safetensors."""
    folder = tmp_path / "old"
    folder.mkdir()
    config = json.loads((bert / "config.json").read_text())
    for name in ("dtype", "torch_dtype", "transformers_version", "architectures"):
        config.pop(name, None)
    (folder / "config.json").write_text(json.dumps(config))
    weights = transformers.BertModel.from_pretrained(bert).state_dict()
    other = {"cls.predictions.bias": torch.zeros(len(SIGNS) + len(WORDS))}
    torch.save({**{f"bert.{name}": each for name, each in weights.items()}, **other}, folder / "pytorch_model.bin")
    write_words(folder)
    old, new = build_text_encoder(str(folder)), build_text_encoder(str(bert))
    tokens = old.tokens(TEXTS)
    assert torch.equal(tokens[0], new.tokens(TEXTS)[0])
    assert torch.equal(old.eval()(*tokens), new.eval()(*tokens))
    assert old.card()["pretrained_sha256"] == new.card()["pretrained_sha256"]
    assert not asked


def test_the_hash_tells_other_weights(bert: Path, tmp_path: Path) -> None:
    other = build_text_encoder(str(write_bert(tmp_path / "other")))
    assert other.card()["pretrained_sha256"] != build_text_encoder(str(bert)).card()["pretrained_sha256"]


def test_half_precision_weights_become_float32(bert: Path, tmp_path: Path) -> None:
    transformers.BertModel.from_pretrained(bert).half().save_pretrained(tmp_path)
    write_words(tmp_path)
    assert {weights.dtype for weights in build_text_encoder(str(tmp_path)).parameters()} == {torch.float32}


def test_nothing_is_printed(bert: Path, capfd: pytest.CaptureFixture[str]) -> None:
    verbosity = transformers.utils.logging.get_verbosity()
    bars = transformers.utils.logging.is_progress_bar_enabled()
    build_text_encoder(str(bert))
    assert capfd.readouterr() == ("", "")
    assert transformers.utils.logging.get_verbosity() == verbosity
    assert transformers.utils.logging.is_progress_bar_enabled() is bars


@pytest.mark.parametrize("kind", ["DistilBert", "Roberta", "Electra"])
def test_other_encoders_are_frozen_from_below_too(kind: str, tmp_path: Path) -> None:
    words = len(SIGNS) + len(WORDS)
    shape = {"vocab_size": words, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 32, "max_position_embeddings": 90, "pad_token_id": 0}
    if kind == "DistilBert":
        shape = {"vocab_size": words, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "pad_token_id": 0}
    if kind == "Electra":
        shape |= {"embedding_size": 8}
    config = getattr(transformers, f"{kind}Config")(**shape)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    write_words(tmp_path)
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    encoder = build_text_encoder(str(tmp_path))
    assert encoder.card()["layers"] == 2
    names = {name for name, weights in encoder.named_parameters() if weights.requires_grad}
    assert names
    assert all(".layer.1." in name for name in names)
    encoder(*encoder.tokens(TEXTS)).square().sum().backward()
    assert {name for name, weights in encoder.named_parameters() if weights.grad is not None} == names
    assert build_text_encoder(str(tmp_path), frozen_layers=2).frozen


def damage(what: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        weights = folder / "model.safetensors"
        if what == "cut weights":
            weights.write_bytes(weights.read_bytes()[:100])
        if what == "no weights":
            weights.unlink()
        if what == "torn config":
            (folder / "config.json").write_text("{")
        if what == "no type":
            (folder / "config.json").write_text("{}")
        if what == "no config":
            (folder / "config.json").unlink()
        if what == "no words":
            (folder / "vocab.txt").unlink()
            for file in folder.glob("tokenizer*"):
                file.unlink()
        if what == "more words":
            (folder / "vocab.txt").write_text("\n".join([*SIGNS, *WORDS, "one", "two"]))
        if what == "more layers":
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 5}))

    return cut


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cut weights", "cannot be loaded as a text encoder"),
        ("no weights", "cannot be loaded as a text encoder"),
        ("torn config", "cannot be loaded as a text encoder"),
        ("no type", "cannot be loaded as a text encoder"),
        ("no config", "it lacks config.json"),
        ("no words", "tokenizer"),
        ("more words", "its tokenizer has 18 words and its weights have 16"),
        ("more layers", "weights of encoder.layer.3.* are missing"),
    ],
)
def test_a_damaged_folder_is_refused(bert: Path, tmp_path: Path, what: str, words: str, asked: list[Any]) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "damaged"))
    damage(what)(folder)
    with pytest.raises(BadInput, match=f"--text-encoder {folder}.*{words}"):
        build_text_encoder(str(folder))
    assert not asked


def test_what_is_no_text_encoder_is_refused(tmp_path: Path) -> None:
    shape = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": len(SIGNS) + len(WORDS), "n_positions": 90}
    transformers.GPT2Model(transformers.GPT2Config(**shape)).save_pretrained(tmp_path)
    write_words(tmp_path)
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="a model of type gpt2, which is no text encoder"):
        build_text_encoder(str(tmp_path))


def test_a_decoder_is_refused(tmp_path: Path) -> None:
    write_bert(tmp_path / "decoder", is_decoder=True)
    with pytest.raises(BadInput, match="which is no text encoder"):
        build_text_encoder(str(tmp_path / "decoder"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/nowhere/at/all", "--text-encoder /nowhere/at/all: no such folder"),
        ("./nowhere", "--text-encoder ./nowhere: no such folder"),
        ("a/b/c", "no such folder"),
        ("", "--text-encoder is empty; expected minilm, scratch, a folder"),
        ("with space", "no such folder, and no name of the Hugging Face hub"),
    ],
)
def test_a_name_that_can_be_none_is_refused(name: str, words: str, cache: Path, asked: list[Any]) -> None:
    with pytest.raises(BadInput, match=words):
        build_text_encoder(name)
    assert not asked


def test_a_file_is_refused(bert: Path) -> None:
    with pytest.raises(BadInput, match=r"model\.safetensors is a file; give the folder"):
        build_text_encoder(str(bert / "model.safetensors"))


def test_without_the_package_the_pip_line_is_told(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"needs transformers.*pip install 'medcl\[text\]'"):
        build_text_encoder(str(bert))


def test_cls_needs_such_a_token(bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "plain"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=_plain(), unk_token="[UNK]", pad_token="[PAD]")
    tokenizer.save_pretrained(folder)
    with pytest.raises(BadInput, match=r"has no \[CLS\] token before a text; take --text-pooling mean"):
        build_text_encoder(str(folder))
    assert build_text_encoder(str(folder), pooling="mean").tokens(["gfr low"])[0].shape == (1, 2)


def _plain() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: number for number, word in enumerate([*SIGNS, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer
