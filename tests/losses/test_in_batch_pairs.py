"""Known answers of the loss over all pairs of a batch, against explicit pairs and a slow reference."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from medcl.losses.cosine_pairs import cosine_pairs
from medcl.losses.in_batch_pairs import in_batch_pairs


def random_batch(count: int = 12, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    label = torch.randint(-1, 2, (count, count), generator=generator).triu(1)
    return z, (label + label.T).to(torch.int8)


def slow_reference(z: torch.Tensor, label: torch.Tensor, margin: float, share: float) -> float:
    """Every pair in plain Python."""
    rows, losses = z.tolist(), {1: [], 0: [], -1: []}
    for i, j in itertools.combinations(range(len(rows)), 2):
        cosine = sum(a * b for a, b in zip(rows[i], rows[j], strict=True))
        cosine /= math.hypot(*rows[i]) * math.hypot(*rows[j])
        y = int(label[i, j])
        losses[y].append(1 - cosine if y == 1 else max(0.0, cosine - margin))
    return share * sum(losses[1]) / len(losses[1]) + (1 - share) * sum(losses[0]) / len(losses[0])


def test_known_answer_of_three_images() -> None:
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # cosines .6, 0, .8
    label = torch.tensor([[-1, 1, 0], [1, -1, 0], [0, 0, -1]], dtype=torch.int8)
    result = in_batch_pairs(z, label)
    assert result.loss.item() == pytest.approx(0.25 * 0.4 + 0.75 * (0 + 0.8) / 2, abs=1e-6)
    assert (result.positives.item(), result.negatives.item()) == (1, 2)
    assert result.positive_cosine.item() == pytest.approx(0.6, abs=1e-6)
    assert result.negative_cosine.item() == pytest.approx(0.4, abs=1e-6)
    with_margin = in_batch_pairs(z, label, margin=0.5).loss.item()
    assert with_margin == pytest.approx(0.25 * 0.4 + 0.75 * 0.3 / 2, abs=1e-6)


@pytest.mark.parametrize(("margin", "share"), [(0.0, 0.25), (0.5, 0.25), (0.0, 0.5), (-0.3, 0.1)])
def test_agrees_with_the_slow_reference(margin: float, share: float) -> None:
    z, label = random_batch()
    expected = slow_reference(z, label, margin, share)
    assert in_batch_pairs(z, label, margin, share).loss.item() == pytest.approx(expected, abs=1e-10)


def test_equals_the_explicit_loss_at_the_same_pairs() -> None:
    z, label = random_batch()
    first, second = torch.triu_indices(len(z), len(z), 1)
    pair_label = label[first, second]
    losses = cosine_pairs(z[first], z[second], pair_label.clamp_min(0).long())
    expected = 0.25 * losses[pair_label == 1].mean() + 0.75 * losses[pair_label == 0].mean()
    torch.testing.assert_close(in_batch_pairs(z, label).loss, expected, atol=1e-10, rtol=0)


def test_all_equal_embeddings_cost_the_share_of_negatives() -> None:
    _, label = random_batch()
    assert in_batch_pairs(torch.ones(12, 4), label).loss.item() == pytest.approx(0.75, abs=1e-6)


def test_without_positives_the_negatives_have_full_weight() -> None:
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    result = in_batch_pairs(z, torch.tensor([[-1, 0], [0, -1]]))
    assert result.loss.item() == pytest.approx(0.6, abs=1e-6)
    assert result.positives.item() == 0
    assert math.isnan(result.positive_cosine.item())


def test_without_negatives_the_positives_have_full_weight() -> None:
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert in_batch_pairs(z, torch.tensor([[-1, 1], [1, -1]])).loss.item() == pytest.approx(0.4, abs=1e-6)


def test_without_any_pair_the_loss_is_zero_and_has_a_gradient() -> None:
    z = torch.randn(3, 4, requires_grad=True)
    loss = in_batch_pairs(z, torch.full((3, 3), -1)).loss
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_unused_pairs_and_the_diagonal_change_nothing() -> None:
    z, label = random_batch()
    expected = in_batch_pairs(z, label).loss
    assert torch.equal(in_batch_pairs(z, label.fill_diagonal_(1)).loss, expected)
    lonely = torch.full((13, 13), -1, dtype=torch.int8)
    lonely[:12, :12] = label
    more = torch.cat([z, torch.randn(1, 5, dtype=torch.float64)])
    torch.testing.assert_close(in_batch_pairs(more, lonely).loss, expected)


def test_gradcheck() -> None:
    z, label = random_batch(count=6)
    assert torch.autograd.gradcheck(lambda x: in_batch_pairs(x, label, 0.1).loss, (z.requires_grad_(),))


def test_invariant_to_permuting_the_batch() -> None:
    z, label = random_batch()
    order = torch.randperm(len(z))
    torch.testing.assert_close(in_batch_pairs(z[order], label[order][:, order]).loss, in_batch_pairs(z, label).loss)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e30])
def test_finite_and_full_precision_under_bf16_autocast(scale: float) -> None:
    z, label = random_batch()
    low = (z * scale).to(torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = in_batch_pairs(low, label)
    result.loss.backward()
    assert result.loss.dtype == torch.float32
    assert torch.isfinite(result.loss)
    assert torch.isfinite(low.grad).all()
    expected = in_batch_pairs(low.detach().double(), label).loss
    assert result.loss.item() == pytest.approx(expected.item(), abs=1e-6)
