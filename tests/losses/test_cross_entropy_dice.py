"""Cross-entropy and Dice of single images: known answers, images without labels, sums over ranks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from medcl.losses.cross_entropy_dice import UNLABELLED, cross_entropy_dice

CLASSES, SIZE = 4, (2, 5, 6)


def batch(images: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, CLASSES, *SIZE, generator=generator, dtype=torch.float64)
    return logits, torch.randint(CLASSES, (images, 1, *SIZE), generator=generator)


def certain(labels: Tensor, by: float = 100.0) -> Tensor:
    return by * one_hot(labels[:, 0], CLASSES).movedim(-1, 1).double()


def test_a_perfect_prediction_costs_nothing() -> None:
    _, labels = batch()
    result = cross_entropy_dice(certain(labels), labels)
    assert result.loss.tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_equal_logits_cost_the_logarithm_of_the_classes() -> None:
    _, labels = batch()
    result = cross_entropy_dice(torch.zeros(3, CLASSES, *SIZE), labels, dice_share=0)
    assert result.loss.tolist() == pytest.approx([math.log(CLASSES)] * 3)


def test_dice_against_a_hand_case() -> None:
    """Two voxels, one of each of two classes, probability 0.8 for the first class in both."""
    logits = torch.tensor([0.8, 0.2]).log().reshape(1, 2, 1, 1, 1).expand(1, 2, 1, 1, 2).double()
    result = cross_entropy_dice(logits, torch.tensor([0, 1]).reshape(1, 1, 1, 1, 2), dice_share=1)
    first = 2 * 0.8 / (2 * 0.64 + 1)
    second = 2 * 0.2 / (2 * 0.04 + 1)
    assert result.loss.item() == pytest.approx(1 - (first + second) / 2, abs=1e-4)


def test_a_class_that_the_image_does_not_have_takes_no_part_in_its_dice() -> None:
    labels = torch.zeros(1, 1, *SIZE, dtype=torch.int64)
    result = cross_entropy_dice(torch.zeros(1, CLASSES, *SIZE), labels, dice_share=1)
    assert result.loss.item() == pytest.approx(1 - 2 * 0.25 / (1 + 0.0625), abs=1e-4)  # of the background alone


def test_cross_entropy_is_torchs_mean_over_an_image() -> None:
    logits, labels = batch()
    expected = [cross_entropy(logits[i : i + 1], labels[i : i + 1, 0]).item() for i in range(3)]
    assert cross_entropy_dice(logits, labels, dice_share=0).loss.tolist() == pytest.approx(expected)


def test_the_share_mixes_both() -> None:
    logits, labels = batch()
    half = cross_entropy_dice(logits, labels)
    torch.testing.assert_close(half.loss, (half.cross_entropy + half.dice) / 2)
    assert not torch.allclose(half.loss, cross_entropy_dice(logits, labels, dice_share=0.2).loss)


def test_images_without_labels_cost_nothing_and_leave_the_others_as_they_are() -> None:
    logits, labels = batch()
    hidden = labels.clone()
    hidden[1] = UNLABELLED
    logits.requires_grad_()
    result = cross_entropy_dice(logits, hidden)
    assert result.labelled.tolist() == [True, False, True]
    every = cross_entropy_dice(logits, labels)
    assert result.loss[1] == 0
    torch.testing.assert_close(result.loss[[0, 2]], every.loss[[0, 2]])
    assert result.mean().item() == pytest.approx(every.loss[[0, 2]].mean().item())
    result.mean().backward()
    assert torch.equal(logits.grad[1], torch.zeros_like(logits[1]))
    assert logits.grad[0].abs().max() > 0


def test_a_batch_without_any_label_is_zero_and_not_nan() -> None:
    logits, labels = batch()
    logits.requires_grad_()
    result = cross_entropy_dice(logits, torch.full_like(labels, UNLABELLED))
    result.mean().backward()
    assert result.mean().item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_ignored_voxels_do_not_count() -> None:
    logits, labels = batch(1)
    labels[..., 3:] = UNLABELLED
    result = cross_entropy_dice(logits, labels)
    torch.testing.assert_close(result.loss, cross_entropy_dice(logits[..., :3], labels[..., :3]).loss)
    logits[..., 3:] += torch.randn_like(logits[..., 3:])
    torch.testing.assert_close(cross_entropy_dice(logits, labels).loss, result.loss)


def test_parts_of_a_batch_add_up_to_its_mean() -> None:
    """What ranks do: each its images, one as likely without a label; the sum over the common number."""
    logits, labels = batch(5)
    labels[[1, 2]] = UNLABELLED
    parts = [cross_entropy_dice(logits[part], labels[part]) for part in (slice(0, 3), slice(3, 5))]
    total = sum(part.loss.sum() for part in parts) / sum(part.labelled.sum() for part in parts)
    torch.testing.assert_close(total, cross_entropy_dice(logits, labels).mean())
    means = torch.stack([part.mean() for part in parts]).mean()  # of means: not the same
    assert not torch.allclose(means, total)


def test_gradcheck() -> None:
    logits, labels = batch(2)
    labels[0, ..., 0] = UNLABELLED
    logits, labels = logits[..., :2, :3].clone().requires_grad_(), labels[..., :2, :3]
    assert torch.autograd.gradcheck(lambda x: cross_entropy_dice(x, labels).mean(), (logits,))


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_finite_in_bf16_at_extreme_logits(scale: float) -> None:
    logits, labels = batch()
    logits = (logits * scale).to(torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = cross_entropy_dice(logits, labels)
    result.mean().backward()
    assert result.loss.dtype == torch.float32
    assert torch.isfinite(result.loss).all()
    assert torch.isfinite(logits.grad).all()
