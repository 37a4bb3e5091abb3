"""Contrast of images and prompts: known answers, what is trained, frozen encoders, ranks of prompts, learning."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.data.plan import BatchPlan
from medcl.methods.build import MethodOptions, build_prompt_method
from medcl.methods.prompt_texts import PromptTexts
from medcl.methods.prompts import PromptContrast, PromptOptions, right_ranks
from medcl.networks.projection import Projection
from medcl.networks.text_encoder import TextEncoder, build_text_encoder
from medcl.networks.text_space import TextSpace
from medcl.networks.text_transformer import TextTransformer
from medcl.study.errors import BadInput
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from tests.methods.test_no_waiting import NoReading

TEXTS = ["the gfr was low.", "the gfr was very low.", "the gfr was high.", "gfr medium."]
VOLUMES = torch.rand(6, 1, 6, 8, 8, generator=torch.Generator().manual_seed(1))


def batch_of(
    volumes: Tensor, prompts: Sequence[int], statement: Sequence[int] | None = None, said: Sequence[int] | None = None
) -> Batch:
    """A batch whose images say different things where their prompts differ, unless told."""
    targets = {
        "prompt": np.array(prompts, np.int64),
        "statement": np.array(prompts if statement is None else statement, np.int64),
        "said": np.array(prompts if said is None else said, np.int64),
        "candidates": np.arange(len(TEXTS)),
        "right": np.array(prompts, np.int64),
    }
    rows = np.arange(len(volumes))
    on_device = {name: torch.from_numpy(values) for name, values in targets.items()}
    return Batch(volumes, on_device, [f"P{row}" for row in rows], BatchPlan(rows, rows, targets))


class Told(nn.Module):
    """Stands in for the prompts: rows of a table."""

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.tensor(rows))

    def forward(self, places: np.ndarray) -> Tensor:
        return self.rows[torch.from_numpy(places)]


def plain(texts: Sequence[Sequence[float]], **chosen: Any) -> PromptContrast:
    """Without networks: volumes are embeddings."""
    return PromptContrast(
        nn.Flatten(), nn.Identity(), Told(texts), images=len(texts), options=PromptOptions(**chosen)
    ).train()


def given(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows)[:, None, None, None, :]


def text_encoder(**named: Any) -> TextEncoder:
    torch.manual_seed(3)
    return build_text_encoder("scratch", texts=TEXTS, **named)


def frozen_encoder() -> TextEncoder:
    """A small text encoder of which nothing is trained."""
    encoder = text_encoder()
    return TextEncoder(encoder._parts, "scratch", len(encoder._parts.layers), "cls")


def method(image_encoder: nn.Module, texts: TextEncoder | None = None, **chosen: Any) -> PromptContrast:
    torch.manual_seed(2)
    head = Projection(8, hidden=(), out=6, dropout=0.0)
    side = PromptTexts(TextSpace(text_encoder() if texts is None else texts, 6), TEXTS)
    return PromptContrast(copy.deepcopy(image_encoder), head, side, images=6, options=PromptOptions(**chosen)).train()


def loss_of(made: PromptContrast, batch: Batch) -> float:
    (step,) = made.steps(batch)
    return step.loss.item()


# --- known answers


@pytest.mark.parametrize("targets", ["shared", "identity"])
def test_equal_embeddings_cost_the_logarithm_of_the_batch(targets: Any) -> None:
    made = plain([[1.0, 0.0]] * 4, targets=targets)
    batch = batch_of(given([[1.0, 0.0]] * 4), [0, 1, 2, 3], statement=[0, 0, 1, 2])
    assert loss_of(made, batch) == pytest.approx(math.log(4), abs=1e-6)
    assert made.collapse_loss == pytest.approx(math.log(4))


def test_orthogonal_pairs_cost_what_the_scale_says() -> None:
    made = plain([[1.0, 0.0], [0.0, 1.0]])
    (step,) = made.steps(batch_of(given([[1.0, 0.0], [0.0, 1.0]]), [0, 1]))
    assert step.loss.item() == pytest.approx(math.log1p(math.exp(-1 / 0.07)), rel=0.1)  # of float32
    logs = {name: value.item() for name, value in step.logs.items()}
    assert logs == pytest.approx({"loss": step.loss.item(), "scale": 1 / 0.07, "own_cosine": 1, "other_cosine": 0})


@pytest.mark.parametrize("same", [{"statement": [5, 5, 2]}, {"said": [5, 5, 2]}])
def test_images_that_say_the_same_share_their_targets(same: dict[str, list[int]]) -> None:
    """The first two have each other's prompt: that costs nothing more than one's own."""
    images, texts = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
    right, swapped = (batch_of(given(images), prompts, **same) for prompts in ([0, 1, 2], [1, 0, 2]))
    shared, identity = plain(texts), plain(texts, targets="identity")
    assert loss_of(shared, right) == pytest.approx(loss_of(shared, swapped), abs=1e-6)
    assert loss_of(identity, right) < loss_of(identity, swapped) - 0.1
    assert loss_of(shared, right) != pytest.approx(loss_of(identity, right), abs=1e-3)


def test_where_all_say_different_things_both_targets_are_one() -> None:
    batch = batch_of(given([[1.0, 0.2], [0.3, 1.0]]), [0, 1])
    texts = [[1.0, 0.0], [0.2, 1.0]]
    assert loss_of(plain(texts), batch) == loss_of(plain(texts, targets="identity"), batch)


def test_ranks_of_the_right_prompt() -> None:
    prompts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    images = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.8, 0.6]])
    assert right_ranks(images, prompts, torch.tensor([0, 1, 2, 1])).tolist() == [1, 3, 2, 3]
    assert right_ranks(images[:1], prompts[[0, 0, 1]], torch.tensor([1])).tolist() == [1.5]  # equally near


def test_validation_tells_loss_and_median_rank() -> None:
    made = plain([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]]).eval()
    found = made.validate(batch_of(given([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), [0, 1, 2]))
    assert found["median_rank"].item() == 2
    assert found["weight"].item() == 3
    assert found["loss"].item() > 0


def test_without_other_things_to_say_no_cosine_of_others_is_logged() -> None:
    (step,) = plain([[1.0, 0.0]] * 2).steps(batch_of(given([[1.0, 0.0]] * 2), [0, 1], statement=[0, 0]))
    assert "other_cosine" not in step.logs
    assert all(torch.isfinite(value) for value in step.logs.values())


# --- what is trained


def moved(made: PromptContrast) -> set[str]:
    """Names of what a step changes, frozen weights among them."""
    weights = dict(made.named_parameters())
    weights |= {f"text encoder {name}": value for name, value in made.text_space.encoder.named_parameters()}
    before = {name: value.detach().clone() for name, value in weights.items()}
    runner = StepRunner(made, TrainingSettings(epochs=2, optimizer="adam", precision="fp32"), torch.device("cpu"))
    runner.run(batch_of(VOLUMES, [0, 1, 2, 3, 0, 1]), 0, 0, 1, 0)
    return {name for name, value in weights.items() if not torch.equal(value, before[name])}


def test_everything_is_trained_where_nothing_is_frozen(small_encoder: nn.Module) -> None:
    made = method(small_encoder)
    found = moved(made)
    for part in ("embedder.encoder", "embedder.projection", "texts.space.trained", "texts.space.projection", "scale"):
        assert any(name.startswith(part) for name in found), part


def test_frozen_layers_stay_and_the_rest_moves(small_encoder: nn.Module) -> None:
    encoder = text_encoder()
    partly = TextEncoder(encoder._parts, "scratch", 3, "cls")
    found = moved(method(small_encoder, partly))
    assert not any(f"network.layers.{number}." in name for name in found for number in range(3))
    assert not any("network.words" in name or "network.positions" in name for name in found)
    assert any("network.layers.3." in name for name in found)
    assert any(name.startswith("texts.space.projection") for name in found)


def test_a_frozen_encoder_stays_and_its_projection_moves(small_encoder: nn.Module) -> None:
    made = method(small_encoder, frozen_encoder())
    found = moved(made)
    assert not any(name.startswith("text encoder") for name in found)
    assert any(name.startswith("texts.space.projection") for name in found)
    assert not any("network" in name for name in made.state_dict() if name.startswith("texts"))


def test_weight_decay_is_for_matrices_and_adam_is_the_papers(small_encoder: nn.Module) -> None:
    made = method(small_encoder, frozen_encoder())
    (groups,) = made.parameter_groups().values()
    decayed, free = groups
    assert all(weights.ndim > 1 for weights in decayed["params"])
    assert any(weights is made.scale.logarithm for weights in free["params"])
    assert free["weight_decay"] == 0
    assert {(group["betas"], group["eps"]) for group in groups} == {((0.9, 0.98), 1e-6)}
    named = {id(weights) for group in groups for weights in group["params"]}
    assert named == {id(weights) for weights in made.parameters() if weights.requires_grad}


# --- texts are read once


def counted(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Texts of each pass through the encoder's network."""
    passes: list[int] = []
    forward = TextTransformer.forward

    def counting(self: TextTransformer, ids: Tensor, mask: Tensor) -> Tensor:
        passes.append(len(ids))
        return forward(self, ids, mask)

    monkeypatch.setattr(TextTransformer, "forward", counting)
    return passes


def test_a_frozen_encoder_reads_each_prompt_once(small_encoder: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    made = method(small_encoder, frozen_encoder())
    passes = counted(made.text_space.encoder, monkeypatch)
    losses = [loss_of(made, batch_of(VOLUMES, prompts)) for prompts in ([0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 0, 0])]
    made.eval().validate(batch_of(VOLUMES, [0, 1, 2, 3, 0, 1]))
    assert passes == [len(TEXTS)]
    alive = method(small_encoder, frozen_encoder())
    alive.texts.space._outside, alive.texts.space.trained = [], frozen_encoder()  # read anew each time
    again = [loss_of(alive, batch_of(VOLUMES, prompts)) for prompts in ([0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 0, 0])]
    assert again == pytest.approx(losses, abs=1e-5)
    assert len(passes) == 3


def test_a_trained_encoder_reads_each_prompt_of_a_batch_once(
    small_encoder: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = method(small_encoder)
    passes = counted(made.text_space.encoder, monkeypatch)
    (step,) = made.steps(batch_of(VOLUMES, [2, 2, 3, 0, 0, 2]))
    assert passes == [3]
    assert math.isfinite(step.loss.item())
    texts = made.texts(np.array([2, 0, 2]))
    assert torch.equal(texts[0], texts[2])
    torch.testing.assert_close(texts[:2].detach(), made.text_space.embed([TEXTS[2], TEXTS[0]]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_step_reads_nothing_from_the_device(small_encoder: nn.Module, frozen: bool) -> None:
    made = method(small_encoder, frozen_encoder() if frozen else None)
    runner = StepRunner(made, TrainingSettings(epochs=1, optimizer="adam"), torch.device("cpu"))
    with NoReading():
        runner.run(batch_of(VOLUMES, [0, 1, 2, 3, 0, 1]), 0, 0, 1, 0)
    assert runner.sums.means()["loss"] > 0


# --- building it


def test_options_reach_the_networks() -> None:
    chosen = PromptOptions(text_encoder="scratch", text_pooling="mean", text_width=12, targets="identity")
    options = MethodOptions(network="resnet10", dropout=0.3, micro_batch=2, prompts=chosen)
    made = build_prompt_method((1, 16, 16), TEXTS, TEXTS, 4, options)
    assert (made.text_space.encoder.pooling, made.text_space.projection.out, made.images) == ("mean", 12, 4)
    assert made.embedder.micro_batch == 2
    assert {module.p for module in made.embedder.modules() if isinstance(module, nn.Dropout)} == {0.3}
    own = MethodOptions(network="resnet10", prompts=PromptOptions(text_encoder="scratch"))
    as_wide = build_prompt_method((1, 16, 16), TEXTS, TEXTS, 4, own)
    assert as_wide.text_space.projection.out == as_wide.encoder.features == 512


@pytest.mark.parametrize("wrong", [{"targets": "none"}, {"text_width": 0}])
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        PromptOptions(**wrong)


# --- learning


@pytest.mark.parametrize("frozen", [False, True])
def test_it_learns_which_prompt_is_of_a_bright_image(small_encoder: nn.Module, frozen: bool) -> None:
    made = method(small_encoder, frozen_encoder() if frozen else None)
    settings = TrainingSettings(epochs=1, optimizer="adam", lr=2e-3, warmup_epochs=0, schedule="constant")
    runner = StepRunner(made, settings, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    losses = []
    for number in range(40):
        bright = torch.arange(12) % 2 * 2
        volumes = torch.rand(12, 1, 6, 8, 8, generator=generator) * 0.5 + bright.view(-1, 1, 1, 1, 1) * 0.25
        batch = batch_of(volumes, bright.tolist())
        runner.run(batch, 0, number, 40, number)
        losses.append(loss_of(made, batch))
    assert losses[0] > math.log(6) + 0.1  # the least loss of two halves of twelve
    assert losses[-1] == pytest.approx(math.log(6), abs=0.05)
    ranks = made.eval().validate(batch)["median_rank"]
    assert ranks.item() <= 2  # of four prompts, two of which no image ever had
