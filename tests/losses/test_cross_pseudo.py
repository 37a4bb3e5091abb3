"""Consistency of two decoders: which gradient goes where, with twins that route it wrongly; confidence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses import cross_pseudo as module
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.losses.cross_pseudo import cross_pseudo, pseudo_labels
from medcl.networks.segmenter import build_segmenter

SHAPE = (3, 4, 1, 5, 6)


def logits(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_the_sum_of_both_cross_entropies_image_by_image() -> None:
    first, second = logits(1), logits(2)
    expected = [
        cross_entropy(a[None], b.argmax(0)[None]) + cross_entropy(b[None], a.argmax(0)[None])
        for a, b in zip(first, second, strict=True)
    ]
    torch.testing.assert_close(cross_pseudo(first, second).loss, torch.stack(expected))
    torch.testing.assert_close(cross_pseudo(second, first).loss, torch.stack(expected))


def test_known_answers() -> None:
    """Sure and alike: nothing. Undecided: ln K each, for a decision there always is."""
    sure = 100 * logits(1).argsort(dim=1).double()
    alike = cross_pseudo(sure, sure)
    assert alike.loss.tolist() == pytest.approx([0] * 3, abs=1e-12)
    assert alike.agreement.tolist() == [1] * 3
    assert alike.taken.tolist() == [1] * 3
    undecided = cross_pseudo(torch.zeros(SHAPE), torch.zeros(SHAPE))
    assert undecided.loss.tolist() == pytest.approx([2 * math.log(4)] * 3)


def gradients(of: str) -> list[float]:
    """Largest gradient in encoder, decoder 1 and decoder 2 after one term or both."""
    torch.manual_seed(0)
    segmenter = build_segmenter("resnet10", (1, 16, 16), 3)
    first, second = segmenter(torch.rand(2, 1, 1, 16, 16))
    losses = {
        "CE(p1, y2)": lambda: module.decided_entropy(first, module.pseudo_labels(second)),
        "CE(p2, y1)": lambda: module.decided_entropy(second, module.pseudo_labels(first)),
        "both": lambda: module.cross_pseudo(first, second).loss,
    }
    losses[of]().sum().backward()
    parts = (segmenter.encoder, *segmenter.decoders)
    return [max(0.0 if p.grad is None else float(p.grad.abs().max()) for p in part.parameters()) for part in parts]


def routed() -> bool:
    """Whether each term trains its own decoder and the encoder only, and both together train all."""
    first, second, both = gradients("CE(p1, y2)"), gradients("CE(p2, y1)"), gradients("both")
    own = first[0] > 0 and first[1] > 0 and second[0] > 0 and second[2] > 0
    return own and first[2] == 0 and second[1] == 0 and min(both) > 0


def test_each_term_trains_its_own_decoder_and_the_encoder_gets_both() -> None:
    assert routed()
    assert gradients("both")[0] not in (gradients("CE(p1, y2)")[0], gradients("CE(p2, y1)")[0])


def test_soft_labels_with_gradient_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: when the other decoder's probabilities teach, and pass their gradient on, the check fails."""
    monkeypatch.setattr(module, "pseudo_labels", lambda logits, confidence=None: logits.softmax(dim=1))
    monkeypatch.setattr(
        module, "decided_entropy", lambda logits, soft: -(soft * logits.log_softmax(dim=1)).flatten(1).mean(dim=1)
    )
    assert not routed()


def test_a_term_that_teaches_the_wrong_decoder_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the labels' own logits are trained in place of the other's."""
    entropy = module.decided_entropy
    monkeypatch.setattr(module, "pseudo_labels", lambda logits, confidence=None: logits)
    monkeypatch.setattr(
        module, "decided_entropy", lambda logits, other: entropy(other, logits.detach().argmax(1, keepdim=True))
    )
    assert not routed()


def test_confidence_leaves_out_voxels_and_lowers_the_loss() -> None:
    first, second = logits(1), logits(2)
    every, some, none = (cross_pseudo(first, second, confidence) for confidence in (None, 0.6, 1.0))
    assert (some.loss < every.loss).all()
    assert (some.loss > 0).all()
    assert none.loss.tolist() == [0] * 3
    assert none.taken.tolist() == [0] * 3
    sure = torch.stack([each.softmax(1).amax(1) >= 0.6 for each in (first, second)])
    torch.testing.assert_close(some.taken, sure.double().flatten(2).mean(dim=(0, 2)))
    assert torch.equal(every.agreement, some.agreement)


def test_decisions_that_are_not_confident_are_no_labels() -> None:
    decided = pseudo_labels(logits(1).requires_grad_(), 0.6)
    assert decided.shape == (3, 1, 1, 5, 6)
    assert not decided.requires_grad
    sure = logits(1).softmax(1).amax(1, keepdim=True) >= 0.6
    assert torch.equal(decided == UNLABELLED, ~sure)
    assert torch.equal(decided[sure], logits(1).argmax(1, keepdim=True)[sure])


def test_finite_in_bf16_at_extreme_logits() -> None:
    first, second = ((logits(seed) * 1e4).to(torch.bfloat16).requires_grad_() for seed in (1, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = cross_pseudo(first, second)
    result.loss.sum().backward()
    assert result.loss.dtype == torch.float32
    assert torch.isfinite(result.loss).all()
    assert torch.isfinite(first.grad).all()
