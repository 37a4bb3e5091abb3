"""One step of the pair methods: losses, logs, options, collapse values, and learning on a toy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medcl.data.loader import Batch
from medcl.methods.pair_contrast import PairContrast
from medcl.networks.projection import Projection

VOLUMES = torch.rand(8, 1, 6, 8, 8, generator=torch.Generator().manual_seed(1))
PAIR_LABEL = [1, 0, 0, 1]


def matrix_label(seed: int = 0, count: int = 8) -> np.ndarray:
    label = np.triu(np.random.default_rng(seed).integers(-1, 2, (count, count)), 1)
    return (label + label.T).astype(np.int8) - np.eye(count, dtype=np.int8)


class Given(nn.Module):
    """Takes the first voxels of a volume as its features."""

    def __init__(self, features: int = 2) -> None:
        super().__init__()
        self.features = features
        self.weight = nn.Parameter(torch.ones(features))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes.flatten(1)[:, : self.features] * self.weight


def given_volumes(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows)[:, None, None, None, :]


def method(encoder: nn.Module, **options: Any) -> PairContrast:
    torch.manual_seed(2)
    return PairContrast(encoder, Projection(8, hidden=8, out=6, dropout=0.0), **options).train()


def plain(**options: Any) -> PairContrast:
    return PairContrast(Given(), nn.Identity(), **options).train()


def test_sampled_pairs_are_neighbours(make_batch: Callable[..., Batch]) -> None:
    volumes = given_volumes([[1, 0], [0.6, 0.8], [1, 0], [0, 1], [1, 0], [0.6, 0.8]])
    (step,) = plain().steps(make_batch(volumes, [1, 0, 0]))
    assert step.loss.item() == pytest.approx((0.4 + 0 + 0.6) / 3, abs=1e-6)
    logs = {name: value.item() for name, value in step.logs.items()}
    expected = {"positive_cosine": 0.6, "negative_cosine": 0.3, "pairs": 3, "no_positives": 0}
    assert logs == pytest.approx({**expected, "loss": 1 / 3}, abs=1e-6)
    assert step.optimizer in plain().parameter_groups()
    assert step.embeddings.shape == (6, 2)


def test_in_batch_uses_all_pairs(make_batch: Callable[..., Batch]) -> None:
    volumes = given_volumes([[1, 0], [0.6, 0.8], [0, 1]])
    label = np.array([[-1, 1, 0], [1, -1, 0], [0, 0, -1]])
    (step,) = plain(pairs="in-batch").steps(make_batch(volumes, label))
    assert step.loss.item() == pytest.approx(0.25 * 0.4 + 0.75 * 0.4, abs=1e-6)
    assert step.logs["pairs"].item() == 3


@pytest.mark.parametrize(("pairs", "label"), [("sampled", [0, 0, 0, 0]), ("in-batch", np.eye(8) * -1)])
def test_a_step_without_positives_uses_its_negatives_and_is_counted(
    make_batch: Callable[..., Batch], small_encoder: nn.Module, pairs: Any, label: Any
) -> None:
    (step,) = method(small_encoder, pairs=pairs).steps(make_batch(VOLUMES, label))
    assert step.logs["no_positives"].item() == 1
    assert "positive_cosine" not in step.logs
    assert all(torch.isfinite(value) for value in step.logs.values())
    assert step.loss.item() > 0


@pytest.mark.parametrize("pairs", ["sampled", "in-batch"])
@pytest.mark.parametrize("change", [{"margin": 0.5}, {"positive_share": 0.6}])
def test_each_option_changes_something(
    make_batch: Callable[..., Batch], small_encoder: nn.Module, pairs: Any, change: dict[str, Any]
) -> None:
    label = PAIR_LABEL if pairs == "sampled" else matrix_label()
    batch = make_batch(VOLUMES, label)
    (one,) = method(small_encoder, pairs=pairs).steps(batch)
    (other,) = method(small_encoder, pairs=pairs, **change).steps(batch)
    if pairs == "sampled" and "positive_share" in change:  # there it is the task that sets the share
        assert method(small_encoder, **change).collapse_loss == pytest.approx(0.4)
    else:
        assert one.loss.item() != pytest.approx(other.loss.item(), abs=1e-5)


def test_micro_batches_have_their_own_batch_statistics(
    make_batch: Callable[..., Batch], small_encoder: nn.Module
) -> None:
    batch = make_batch(VOLUMES, PAIR_LABEL)
    (whole,), (parts,) = (method(small_encoder, micro_batch=size).steps(batch) for size in (None, 2))
    assert not torch.allclose(whole.embeddings, parts.embeddings, atol=1e-4)


@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize("pairs", ["sampled", "in-batch"])
def test_the_collapse_value_is_the_loss_of_equal_embeddings(
    make_batch: Callable[..., Batch], pairs: Any, margin: float
) -> None:
    label = [*PAIR_LABEL[1:3], 0, 1] if pairs == "sampled" else matrix_label(count=8)
    (step,) = plain(pairs=pairs, margin=margin).steps(make_batch(torch.ones(8, 1, 1, 1, 2), label))
    assert step.loss.item() == pytest.approx(plain(pairs=pairs, margin=margin).collapse_loss, abs=1e-6)


def test_every_parameter_has_its_optimizer_and_gets_a_gradient(
    make_batch: Callable[..., Batch], small_encoder: nn.Module
) -> None:
    module = method(small_encoder)
    (group,) = module.parameter_groups().values()
    assert {id(p) for p in group} == {id(p) for p in module.parameters()}
    next(iter(module.steps(make_batch(VOLUMES, PAIR_LABEL)))).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters() if p.ndim > 1)


def test_what_is_exported_is_the_encoder(small_encoder: nn.Module) -> None:
    module = method(small_encoder)
    assert module.encoder is small_encoder
    assert module.encoder(VOLUMES).shape == (8, 8)
    assert module.embedder(VOLUMES).shape == (8, 6)


def test_validation_judges_all_pairs_for_both_samplings(
    make_batch: Callable[..., Batch], small_encoder: nn.Module
) -> None:
    label = matrix_label()
    results = []
    for pairs in ("sampled", "in-batch"):
        with torch.no_grad():
            results.append(method(small_encoder, pairs=pairs).eval().validate(make_batch(VOLUMES, label)))
    assert {name: value.item() for name, value in results[0].items()} == {
        name: value.item() for name, value in results[1].items()
    }
    assert results[0]["weight"].item() == (np.triu(label, 1) != -1).sum() - 8 * 9 // 2
    assert 0 < results[0]["loss"].item() < 2


def test_bf16_autocast_is_close(make_batch: Callable[..., Batch], small_encoder: nn.Module) -> None:
    batch = make_batch(VOLUMES, PAIR_LABEL)
    (exact,) = method(small_encoder).steps(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (mixed,) = method(small_encoder).steps(batch)
    assert mixed.loss.dtype == torch.float32
    assert mixed.loss.item() == pytest.approx(exact.loss.item(), abs=0.05)


@pytest.mark.parametrize("pairs", ["sampled", "in-batch"])
def test_it_learns_to_tell_dark_from_bright(
    make_batch: Callable[..., Batch], small_encoder: nn.Module, pairs: Any
) -> None:
    module = method(small_encoder, pairs=pairs)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(40):
        bright = torch.rand(16, generator=generator) < 0.5
        volumes = torch.rand(16, 1, 6, 8, 8, generator=generator) * 0.5 + bright.float().view(-1, 1, 1, 1, 1) * 0.5
        equal = bright[0::2] == bright[1::2] if pairs == "sampled" else bright[:, None] == bright[None, :]
        for step in module.steps(make_batch(volumes, equal.numpy())):
            optimizer.zero_grad()
            step.loss.backward()
            optimizer.step()
            losses.append(step.loss.item())
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:3])
