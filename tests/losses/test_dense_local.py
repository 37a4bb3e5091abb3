"""Known answers of the local contrastive loss, a slow reference, masks, gradients, precision, parts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from medcl.losses import dense_local as module
from medcl.losses.dense_local import dense_local

IMAGES, CELLS = 4, 6
NEGATIVES = (IMAGES - 1) * CELLS
OTHERS = ~torch.eye(IMAGES, dtype=torch.bool)
ALL = torch.ones(IMAGES, CELLS, dtype=torch.bool)
SAME_CELL = torch.arange(CELLS).expand(IMAGES, -1)


def drawn(seed: int, channels: int = 5) -> Tensor:
    return torch.randn(IMAGES, CELLS, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    positives = torch.randint(CELLS, (IMAGES, CELLS), generator=generator)
    matched = torch.rand(IMAGES, CELLS, generator=generator) > 0.4
    matched[2] = False
    negatives = OTHERS.clone()
    negatives[0, 1] = negatives[3] = False
    return positives, matched, negatives


def slow_reference(q: Tensor, k: Tensor, chosen: tuple[Tensor, Tensor, Tensor], temperature: float) -> list[float]:
    """The equation, cell by cell, in plain Python."""
    positives, matched, negatives = (each.tolist() for each in chosen)

    def weight(a: list[float], b: list[float]) -> float:
        return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b) / temperature)

    losses = []
    for image, cells in enumerate(q.tolist()):
        of_image = []
        for cell, query in enumerate(cells):
            if matched[image][cell]:
                positive = weight(query, k[image][positives[image][cell]].tolist())
                against = [
                    weight(query, key)
                    for other in range(IMAGES)
                    if negatives[image][other] and other != image
                    for key in k[other].tolist()
                ]
                of_image.append(-math.log(positive / (positive + sum(against))))
        losses.append(sum(of_image) / len(of_image) if of_image else 0.0)
    return losses


def test_all_equal_gives_the_logarithm_of_one_more_than_the_negatives() -> None:
    same = torch.ones(IMAGES, CELLS, 3)
    losses = dense_local(same, same, SAME_CELL, ALL, OTHERS)
    torch.testing.assert_close(losses.loss, torch.full((IMAGES,), math.log(1 + NEGATIVES)))
    assert losses.negatives.tolist() == [NEGATIVES] * IMAGES
    assert losses.negative_cosine.tolist() == pytest.approx([1] * IMAGES)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_perfect_matches_with_all_others_orthogonal(temperature: float) -> None:
    cells = torch.eye(IMAGES * CELLS, dtype=torch.float64).reshape(IMAGES, CELLS, -1)
    losses = dense_local(cells, cells, SAME_CELL, ALL, OTHERS, temperature)
    expected = math.log(1 + NEGATIVES * math.exp(-1 / temperature))
    torch.testing.assert_close(losses.loss, torch.full((IMAGES,), expected, dtype=torch.float64))
    assert losses.positive_cosine.tolist() == [1] * IMAGES
    assert losses.negative_cosine.tolist() == [0] * IMAGES


def test_views_without_overlap_give_zero_and_no_gradient() -> None:
    q, k = drawn(1).requires_grad_(), drawn(2)
    losses = dense_local(q, k, SAME_CELL, ~ALL, OTHERS)
    assert losses.loss.tolist() == [0] * IMAGES
    assert losses.mean().item() == 0
    losses.mean().backward()
    assert torch.equal(q.grad, torch.zeros_like(q))


def test_one_image_without_overlap_does_not_lower_the_mean() -> None:
    q, k = drawn(1), drawn(2)
    matched = ALL.clone()
    matched[2] = False
    losses = dense_local(q, k, SAME_CELL, matched, OTHERS)
    assert losses.loss[2] == 0
    assert losses.mean().item() == pytest.approx(losses.loss[[0, 1, 3]].mean().item())


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
def test_agrees_with_the_slow_reference_image_by_image(temperature: float) -> None:
    q, k, chosen = drawn(1), drawn(2), some()
    expected = torch.tensor(slow_reference(q, k, chosen, temperature), dtype=torch.float64)
    torch.testing.assert_close(dense_local(q, k, *chosen, temperature).loss, expected)


def test_an_image_whose_negatives_are_all_excluded_costs_nothing() -> None:
    negatives = OTHERS.clone()
    negatives[1] = False
    losses = dense_local(drawn(1), drawn(2), SAME_CELL, ALL, negatives)
    assert losses.loss[1] == 0
    assert (losses.loss[[0, 2, 3]] > 0).all()
    assert losses.negatives.tolist() == [NEGATIVES, 0, NEGATIVES, NEGATIVES]


def test_an_images_own_cells_are_never_negatives() -> None:
    """Only the positive of the own image's keys counts, whatever the mask's diagonal says."""
    q, k = drawn(1), drawn(2)
    moved = k.clone()
    moved[0, 3] = drawn(3)[0, 3]  # no positive of any cell of image 0 here
    positives = torch.zeros(IMAGES, CELLS, dtype=torch.int64)
    before, after = (dense_local(q, each, positives, ALL, OTHERS | True) for each in (k, moved))
    assert before.loss[0] == after.loss[0]
    assert (before.loss[1:] != after.loss[1:]).all()


def test_gradcheck() -> None:
    q, k, chosen = drawn(1).requires_grad_(), drawn(2).requires_grad_(), some()
    assert torch.autograd.gradcheck(lambda a, b: dense_local(a, b, *chosen, 0.5).mean(), (q, k))


def test_permuting_the_images_permutes_the_losses() -> None:
    q, k, (positives, matched, negatives) = drawn(1), drawn(2), some()
    order = torch.tensor([2, 0, 3, 1])
    expected = dense_local(q, k, positives, matched, negatives).loss[order]
    permuted = dense_local(q[order], k[order], positives[order], matched[order], negatives[order][:, order])
    torch.testing.assert_close(permuted.loss, expected)


@pytest.mark.parametrize("logits", [1, 2 * CELLS * IMAGES * CELLS, 3 * CELLS * IMAGES * CELLS])
def test_parts_give_the_same_loss_and_gradient(monkeypatch: pytest.MonkeyPatch, logits: int) -> None:
    results = []
    for limit in (module.LOGITS_AT_ONCE, logits):
        monkeypatch.setattr(module, "LOGITS_AT_ONCE", limit)
        q, k = drawn(1).requires_grad_(), drawn(2).requires_grad_()
        result = dense_local(q, k, *some())
        result.mean().backward()
        results.append([*result, q.grad, k.grad])
    for whole, in_parts in zip(*results, strict=True):
        torch.testing.assert_close(in_parts, whole)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e30])
@pytest.mark.parametrize("temperature", [0.1, 1e-4])
def test_finite_in_bf16_at_extreme_logits(scale: float, temperature: float) -> None:
    q, k = ((drawn(seed) * scale).to(torch.bfloat16) for seed in (1, 2))
    q.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = dense_local(q, k, *some(), temperature)
    losses.mean().backward()
    assert losses.loss.dtype == torch.float32
    assert torch.isfinite(losses.loss).all()
    assert torch.isfinite(q.grad).all()
    expected = dense_local(q.detach().double(), k.double(), *some(), temperature).loss
    torch.testing.assert_close(losses.loss.double(), expected, atol=1e-5 / temperature, rtol=1e-5)
