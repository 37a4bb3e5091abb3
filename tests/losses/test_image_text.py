"""Known answers of the image-text loss, an independent slow reference, shared targets, gradients and precision."""

from __future__ import annotations

import math

import pytest
import torch

from medcl.losses.image_text import image_text

SCALE = torch.tensor(1 / 0.07)


def slow_reference(
    images: torch.Tensor, texts: torch.Tensor, scale: float, same: list[list[bool]] | None = None
) -> list[float]:
    """The equation, pair by pair, in plain Python."""
    rows = [[x / math.hypot(*row) for x in row] for row in images.tolist()]
    columns = [[x / math.hypot(*row) for x in row] for row in texts.tolist()]
    logits = [[scale * sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in rows]
    losses = []
    for i in range(len(rows)):
        answers = [j for j in range(len(rows)) if j == i or (same is not None and same[i][j])]
        all_texts = math.log(sum(math.exp(logit) for logit in logits[i]))
        all_images = math.log(sum(math.exp(row[i]) for row in logits))
        found = [(logits[i][j] - all_texts) + (logits[j][i] - all_images) for j in answers]
        losses.append(-sum(found) / len(found) / 2)
    return losses


def same_as(prompts: list[int]) -> torch.Tensor:
    said = torch.tensor(prompts)
    return said[:, None] == said


def drawn(pairs: int, width: int = 6, seed: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images, texts = (torch.randn(pairs, width, generator=generator, dtype=torch.float64) for _ in range(2))
    return images, texts


@pytest.mark.parametrize("pairs", [1, 2, 88])
@pytest.mark.parametrize("shared", [False, True])
def test_equal_logits_cost_the_logarithm_of_the_pairs(pairs: int, shared: bool) -> None:
    same = same_as([number % 3 for number in range(pairs)]) if shared else None
    losses = image_text(torch.ones(pairs, 4), torch.ones(pairs, 4), SCALE, same)
    assert losses.shape == (pairs,)
    torch.testing.assert_close(losses, torch.full((pairs,), math.log(pairs)), atol=1e-5, rtol=1e-5)


def test_perfect_pairs_with_all_others_orthogonal() -> None:
    """B = 88, scale 100: 87 texts of logit 0 beside one of 100; and at scale 1/0.07."""
    perfect = torch.eye(88, dtype=torch.float64)
    for scale in (100.0, 1 / 0.07):
        expected = math.log1p(87 * math.exp(-scale))
        found = image_text(perfect, perfect, torch.tensor(scale, dtype=torch.float64))
        torch.testing.assert_close(found, torch.full((88,), expected, dtype=torch.float64), atol=1e-13, rtol=1e-9)


def test_perfect_pairs_that_say_the_same_cost_the_logarithm_of_their_number() -> None:
    """Three prompts, said by 4, 2 and 1 of 7 images that lie on their prompt's own axis."""
    said = [0, 0, 0, 0, 1, 1, 2]
    axes = torch.eye(3, dtype=torch.float64)[said]
    losses = image_text(axes, axes, torch.tensor(1000.0, dtype=torch.float64), same_as(said))
    expected = torch.tensor([math.log(said.count(prompt)) for prompt in said], dtype=torch.float64)
    torch.testing.assert_close(losses, expected)


@pytest.mark.parametrize("said", [None, [0, 1, 2, 3, 4], [0, 1, 0, 2, 1], [0, 0, 0, 0, 0]])
def test_agrees_with_the_slow_reference_pair_by_pair(said: list[int] | None) -> None:
    images, texts = drawn(5)
    same = None if said is None else same_as(said)
    for scale in (1.0, 1 / 0.07):
        found = image_text(images, texts, torch.tensor(scale), same)
        expected = slow_reference(images, texts, scale, None if same is None else same.tolist())
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=1e-6)


def test_two_images_with_equal_prompts_may_be_swapped_with_shared_targets_alone() -> None:
    images, texts = drawn(5)
    swapped, said = [3, 1, 2, 0, 4], same_as([7, 1, 2, 7, 4])
    shared = image_text(images, texts, SCALE, said)
    torch.testing.assert_close(image_text(images[swapped], texts, SCALE, said).mean(), shared.mean())
    identity = image_text(images, texts, SCALE)
    assert not torch.isclose(image_text(images[swapped], texts, SCALE).mean(), identity.mean())


def test_identity_targets_are_shared_ones_of_prompts_that_all_differ() -> None:
    images, texts = drawn(5)
    none = torch.zeros(5, 5, dtype=torch.bool)  # the diagonal is never read
    assert torch.equal(image_text(images, texts, SCALE, none), image_text(images, texts, SCALE))
    assert not none.any()
    assert not torch.allclose(
        image_text(images, texts, SCALE, same_as([0, 0, 1, 2, 3])), image_text(images, texts, SCALE)
    )


def test_shared_targets_do_not_push_equal_prompts_apart() -> None:
    """One text embedding, two images on it: identity targets still pull the image from the other's text."""
    images = torch.eye(2, dtype=torch.float64, requires_grad=True)
    texts = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64, requires_grad=True)
    image_text(images, texts, SCALE).sum().backward()
    apart = images.grad[0, 1].item()  # of the first image towards the second's text
    images.grad = None
    image_text(images, texts, SCALE, same_as([0, 0])).sum().backward()
    assert apart > 0  # descending moves it away
    assert images.grad[0, 1].item() < 0


def test_both_directions_count_the_same() -> None:
    images, texts = drawn(6)
    same = same_as([0, 1, 1, 2, 3, 3])
    torch.testing.assert_close(image_text(images, texts, SCALE, same), image_text(texts, images, SCALE, same))


def test_the_length_of_an_embedding_does_not_matter() -> None:
    images, texts = drawn(4)
    torch.testing.assert_close(image_text(3 * images, texts / 7, SCALE), image_text(images, texts, SCALE))


def test_permuting_the_pairs_permutes_the_losses() -> None:
    images, texts = drawn(7)
    order, same = torch.randperm(7), same_as([0, 1, 0, 2, 1, 3, 4])
    expected = image_text(images, texts, SCALE, same)[order]
    torch.testing.assert_close(image_text(images[order], texts[order], SCALE, same[order][:, order]), expected)


@pytest.mark.parametrize("said", [None, [0, 1, 0, 2]])
def test_gradcheck(said: list[int] | None) -> None:
    images, texts = (each.requires_grad_() for each in drawn(4))
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    same = None if said is None else same_as(said)
    assert torch.autograd.gradcheck(lambda *given: image_text(*given, same), (images, texts, scale))


@pytest.mark.parametrize("length", [0.0, 1.0, 1e30])
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_finite_in_bf16_at_extreme_logits(length: float, scale: float) -> None:
    images, texts = (each.float().mul(length).to(torch.bfloat16).requires_grad_() for each in drawn(8, 16))
    factor = torch.tensor(scale, requires_grad=True)
    same = same_as([0, 1, 0, 2, 3, 3, 4, 5])
    with torch.autocast("cpu", torch.bfloat16):
        losses = image_text(images, texts, factor, same)
    losses.mean().backward()
    assert losses.dtype == torch.float32
    for each in (losses, images.grad, texts.grad, factor.grad):
        assert torch.isfinite(each).all()
    expected = image_text(images.detach().double(), texts.detach().double(), factor.detach().double(), same)
    torch.testing.assert_close(losses.double(), expected, atol=1e-6 * max(scale, 10), rtol=1e-5)


@pytest.mark.parametrize(("texts", "same"), [((4, 3), None), ((5, 2), None), ((5, 3), (5,)), ((5, 3), (4, 4))])
def test_what_does_not_belong_together_is_refused(texts: tuple[int, ...], same: tuple[int, ...] | None) -> None:
    wrong = None if same is None else torch.ones(same, dtype=torch.bool)
    with pytest.raises(ValueError, match="do not belong together"):
        image_text(torch.ones(5, 3), torch.ones(texts), SCALE, wrong)
