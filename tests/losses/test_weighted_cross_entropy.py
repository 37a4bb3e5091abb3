"""Weighted cross-entropy and Dice: hand cases, what torch's weights and the printed Dice would be, missing labels."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses.dice import DiceLoss
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from medcl.losses.cross_entropy_dice import UNLABELLED, cross_entropy_dice
from medcl.losses.weighted_cross_entropy import weighted_cross_entropy

CLASSES, SIZE = 5, (1, 6, 7)


def batch(images: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, CLASSES, *SIZE, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (images, 1, *SIZE), generator=generator)
    labels[:, :, :, :3] = 0  # so that classes differ in their number
    return logits, labels


def certain(labels: Tensor, by: float = 100.0) -> Tensor:
    return by * one_hot(labels[:, 0], CLASSES).movedim(-1, 1).double()


def test_by_hand() -> None:
    """Four pixels, three background: weights 1/4 and 3/4; probability 0.8 for the background everywhere."""
    logits = torch.tensor([0.8, 0.2]).log().reshape(1, 2, 1, 1, 1).expand(1, 2, 1, 1, 4).double()
    result = weighted_cross_entropy(logits, torch.tensor([0, 0, 0, 1]).reshape(1, 1, 1, 1, 4))
    entropy = (3 * 0.25 * -math.log(0.8) + 0.75 * -math.log(0.2)) / 4
    dice = 1 - (2 * 2.4 / (4 * 0.64 + 3) + 2 * 0.2 / (4 * 0.04 + 1)) / 2
    assert result.cross_entropy.item() == pytest.approx(entropy)
    assert result.dice.item() == pytest.approx(dice, abs=1e-5)
    assert result.loss.item() == pytest.approx(entropy + dice, abs=1e-5)


def test_the_weights_are_each_images_own() -> None:
    logits, labels = batch()
    for image in range(3):
        share = torch.bincount(labels[image].flatten(), minlength=CLASSES) / labels[image].numel()
        each = cross_entropy(logits[image : image + 1], labels[image : image + 1, 0], reduction="none")
        expected = ((1 - share)[labels[image : image + 1, 0]] * each).mean()
        result = weighted_cross_entropy(logits, labels).cross_entropy[image]
        assert result.item() == pytest.approx(expected.item())
        assert weighted_cross_entropy(logits[image : image + 1], labels[image : image + 1]).cross_entropy == result


def test_it_is_not_torchs_weight() -> None:
    """torch divides by the weights' sum instead of the number of pixels."""
    logits, labels = batch(1)
    weights = 1 - torch.bincount(labels.flatten(), minlength=CLASSES) / labels.numel()
    torchs = cross_entropy(logits, labels[:, 0], weight=weights.double())
    ours = weighted_cross_entropy(logits, labels).cross_entropy
    mean_weight = weights[labels.flatten()].mean().item()
    assert mean_weight < 0.9
    assert ours.item() == pytest.approx(torchs.item() * mean_weight, rel=1e-6)
    assert ours.item() != pytest.approx(torchs.item(), rel=0.05)


def test_the_dice_is_monais_over_all_classes() -> None:
    logits, labels = batch()
    whole = DiceLoss(softmax=True, to_onehot_y=True, squared_pred=True, smooth_nr=1e-5, smooth_dr=1e-5)
    expected = [whole(logits[i : i + 1], labels[i : i + 1]).item() for i in range(3)]
    result = weighted_cross_entropy(logits, labels)
    assert result.dice.tolist() == pytest.approx(expected, abs=1e-6)
    assert [len(labels[i].unique()) for i in range(3)] == [CLASSES] * 3
    torch.testing.assert_close(result.dice, cross_entropy_dice(logits, labels).dice)  # where all classes are shown


def test_a_class_that_a_slice_does_not_show_counts() -> None:
    labels = torch.zeros(1, 1, *SIZE, dtype=torch.int64)
    sure = weighted_cross_entropy(certain(labels), labels)
    assert sure.dice.item() == pytest.approx(0, abs=1e-6)
    unsure = weighted_cross_entropy(torch.zeros(1, CLASSES, *SIZE), labels)
    background = 1 - 2 * 0.2 / (1 + 0.04)
    assert unsure.dice.item() == pytest.approx((background + CLASSES - 1) / CLASSES, abs=1e-4)
    assert cross_entropy_dice(torch.zeros(1, CLASSES, *SIZE), labels).dice.item() == pytest.approx(background, abs=1e-4)
    assert unsure.cross_entropy.item() == 0  # the weight of a class that is everywhere


def dice_as_printed(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Equation 14 to the letter."""
    p, y = probabilities.flatten(2), truth.flatten(2)
    return 1 - ((p * y).sum(2) / (p.square().sum(2) + y.square().sum(2))).sum(1)


def test_a_perfect_prediction_costs_nothing_and_not_what_the_print_says() -> None:
    _, labels = batch()
    logits = certain(labels)
    assert weighted_cross_entropy(logits, labels).loss.tolist() == pytest.approx([0] * 3, abs=1e-6)
    printed = dice_as_printed(logits.softmax(1), certain(labels, by=1))
    assert printed.tolist() == pytest.approx([1 - CLASSES / 2] * 3)
    assert printed[0].item() == pytest.approx(-1.5)


def test_equal_logits() -> None:
    _, labels = batch(1)
    share = torch.bincount(labels.flatten(), minlength=CLASSES) / labels.numel()
    result = weighted_cross_entropy(torch.zeros(1, CLASSES, *SIZE), labels)
    expected = math.log(CLASSES) * (1 - share.square().sum().item())
    assert result.cross_entropy.item() == pytest.approx(expected, rel=1e-5)


def test_images_without_labels_cost_nothing_and_leave_the_others_as_they_are() -> None:
    logits, labels = batch()
    hidden = labels.clone()
    hidden[1] = UNLABELLED
    logits.requires_grad_()
    result, every = weighted_cross_entropy(logits, hidden), weighted_cross_entropy(logits, labels)
    assert result.labelled.tolist() == [True, False, True]
    assert result.loss[1] == result.cross_entropy[1] == result.dice[1] == 0
    torch.testing.assert_close(result.loss[[0, 2]], every.loss[[0, 2]])
    result.mean().backward()
    assert not logits.grad[1].any()
    assert logits.grad[0].any()


def test_a_batch_without_any_label_is_zero_and_not_nan() -> None:
    logits, labels = batch()
    logits.requires_grad_()
    result = weighted_cross_entropy(logits, torch.full_like(labels, UNLABELLED))
    result.mean().backward()
    assert result.mean().item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_unknown_pixels_do_not_count() -> None:
    logits, labels = batch(1)
    labels[..., 3:] = UNLABELLED
    result = weighted_cross_entropy(logits, labels)
    torch.testing.assert_close(result.loss, weighted_cross_entropy(logits[..., :3], labels[..., :3]).loss)


def test_gradcheck() -> None:
    logits, labels = batch(2)
    labels[0, ..., 0] = UNLABELLED
    logits, labels = logits[..., 2:5, :3].clone().requires_grad_(), labels[..., 2:5, :3]
    assert torch.autograd.gradcheck(lambda x: weighted_cross_entropy(x, labels).loss, (logits,))


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_finite_in_bf16_at_extreme_logits(scale: float) -> None:
    logits, labels = batch()
    logits = (logits * scale).to(torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = weighted_cross_entropy(logits, labels)
    result.mean().backward()
    assert result.loss.dtype == torch.float32
    assert torch.isfinite(result.loss).all()
    assert torch.isfinite(logits.grad).all()
