from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from medcl.data.loader import Batch
from medcl.data.plan import BatchPlan
from medcl.losses.cross_entropy_dice import UNLABELLED, cross_entropy_dice
from medcl.methods import ideal
from medcl.methods.ideal import Ideal, IdealOptions, move_average
from medcl.networks.segmenter import Segmenter, build_segmenter
from medcl.training.step import Step

SIZE = (1, 32, 32)
LABELLED = np.array([True, False, True, False])
FAITHFUL = IdealOptions(dice_share=0.0, weight=1.0)


def segmenter(decoders: tuple[str, ...] = ("transposed", "bilinear")) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter("resnet10", SIZE, 3, decoders).double()


def batch(labelled: np.ndarray = LABELLED, seed: int = 0) -> Batch:
    """Images whose brighter half is class 1 and whose brightest rows are class 2."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(len(labelled), 1, *SIZE, dtype=torch.long)
    labels[..., 10:] = 1
    labels[..., 20:, :] = 2
    volumes = labels / 3 + 0.05 * torch.randn(labels.shape, generator=generator, dtype=torch.float64)
    labels = torch.where(torch.from_numpy(labelled).view(-1, 1, 1, 1, 1), labels, UNLABELLED)
    plan = BatchPlan(np.arange(len(labelled)), np.arange(len(labelled)), {"labelled": labelled})
    return Batch(volumes, {}, [f"P{n}" for n in range(len(labelled))], plan, labels)


def step(options: IdealOptions, made: Batch | None = None, network: Segmenter | None = None) -> Step:
    (only,) = Ideal(network or segmenter(), options).steps(made or batch())
    return only


def gradients(module: nn.Module, loss: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True, retain_graph=True)
    return [each for each in found if each is not None]


def test_the_papers_loss_by_hand() -> None:
    made, network = batch(), segmenter()
    assert made.labels is not None
    known, truth = torch.from_numpy(LABELLED), made.labels[LABELLED][:, 0]
    first, second = network(made.volumes[known])
    expected = cross_entropy(first, truth) + cross_entropy(second, truth)
    first, second = network(made.volumes[~known])
    y1, y2 = first.argmax(dim=1), second.argmax(dim=1)
    consistency = cross_entropy(first, y2) + cross_entropy(second, y1)
    found = step(FAITHFUL, made, segmenter())
    assert found.loss.item() == pytest.approx((expected + consistency).item(), rel=1e-9)
    assert float(found.logs["loss_labelled"]) == pytest.approx(expected.item(), rel=1e-9)
    assert float(found.logs["loss_unlabelled"]) == pytest.approx(consistency.item(), rel=1e-9)


def test_both_decoders_and_the_encoder_learn_from_unlabelled_images() -> None:
    """The part of the gradient that the unlabelled images add, by the difference of two weights."""
    for part in ("encoder", "decoders"):
        networks = segmenter(), segmenter()
        with_it = gradients(getattr(networks[0], part), step(FAITHFUL, network=networks[0]).loss)
        without = gradients(getattr(networks[1], part), step(replace(FAITHFUL, weight=0.0), network=networks[1]).loss)
        assert any(not torch.equal(a, b) for a, b in zip(with_it, without, strict=True))


def test_labelled_images_do_not_feel_which_unlabelled_ones_are_beside_them() -> None:
    """In training, batch norms of one pass over both would; the twin is such a pass."""
    made = batch()
    other = replace(made, volumes=made.volumes.clone())
    other.volumes[~torch.from_numpy(LABELLED)] += 3
    losses = [float(step(replace(FAITHFUL, weight=0.0), each).loss) for each in (made, other)]
    assert losses[0] == losses[1]
    together = [float(segmenter()(each.volumes)[0][LABELLED].sum()) for each in (made, other)]
    assert together[0] != together[1]


def test_an_unlabelled_images_mask_is_never_learned_from() -> None:
    """Even if the loader left it there; the twin is a plan that calls the image labelled."""
    hidden, shown = batch(), batch(np.ones(4, bool))
    leaking = replace(shown, plan=hidden.plan)
    assert float(step(FAITHFUL, hidden).loss) == float(step(FAITHFUL, leaking).loss)
    assert float(step(FAITHFUL, hidden).loss) != float(step(FAITHFUL, shown).loss)


def test_one_decoder_and_labelled_images_alone_are_a_plain_network() -> None:
    made = batch(np.ones(2, bool))
    network = segmenter(("transposed",))
    assert made.labels is not None
    expected = cross_entropy_dice(network(made.volumes)[0], made.labels, 0.5).mean()
    found = step(IdealOptions(), made, segmenter(("transposed",)))
    assert float(found.loss) == pytest.approx(expected.item(), rel=1e-9)
    assert "loss_unlabelled" not in found.logs


@pytest.mark.parametrize(
    "changed",
    [
        {"dice_share": 0.5},
        {"weight": 0.5},
        {"confidence": 0.5},
        {"teacher": 0.9},
        {"mix": True},
        {"ramp_steps": 10},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_option_changes_the_loss(changed: dict[str, Any]) -> None:
    assert float(step(FAITHFUL).loss) != pytest.approx(float(step(replace(FAITHFUL, **changed)).loss), rel=1e-6)


def test_the_encoders_learning_rate_is_its_own() -> None:
    decoders, encoder = Ideal(segmenter(), IdealOptions(encoder_lr=1e-5)).parameter_groups()["main"]
    assert encoder["lr"] == 1e-5
    assert "lr" not in decoders
    every = {id(each) for group in (decoders, encoder) for each in group["params"]}
    assert len(every) == len(list(segmenter().parameters()))


def test_the_weight_ramps_up() -> None:
    method = Ideal(segmenter(("transposed",)), IdealOptions(weight=2.0, ramp_steps=10))
    assert method.weight() == pytest.approx(2 * math.exp(-5))
    method.after_step(0, 5)
    assert method.weight() == pytest.approx(2 * math.exp(-1.25))
    method.after_step(1, 40)
    assert method.weight() == 2
    again = Ideal(segmenter(("transposed",)), IdealOptions(weight=2.0, ramp_steps=10))
    again.load_state_dict(method.state_dict())
    assert again.weight() == 2, "a resumed run goes on where it was"


class TestTeacher:
    def test_it_is_the_moving_average(self) -> None:
        method = Ideal(segmenter(), IdealOptions(teacher=0.9))
        assert method.average is not None
        before = [each.clone() for each in method.average.parameters()]
        for parameter in method.segmenter.parameters():
            parameter.data += 1
        method.after_step(0, 1000)
        for old, now in zip(before, method.average.parameters(), strict=True):
            torch.testing.assert_close(now, old + 0.1)

    def test_its_first_steps_follow_the_network(self) -> None:
        method = Ideal(segmenter(), IdealOptions(teacher=0.9))
        assert method.average is not None
        before = next(method.average.parameters()).clone()
        next(method.segmenter.parameters()).data += 1
        method.after_step(0, 1)
        torch.testing.assert_close(next(method.average.parameters()), before + 0.5)

    def test_running_statistics_move_too(self) -> None:
        average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
        network.running_mean += 1
        network.num_batches_tracked += 7
        move_average(average, network, 0.75)
        assert (float(average.running_mean), int(average.num_batches_tracked)) == (0.25, 7)

    def test_it_gets_no_gradient_and_stays_in_evaluation_mode(self) -> None:
        method = Ideal(segmenter(), IdealOptions(teacher=0.9)).train()
        assert method.average is not None
        assert not any(each.requires_grad for each in method.average.parameters())
        assert not method.average.training
        stepped = {id(each) for group in method.parameter_groups()["main"] for each in group["params"]}
        assert not stepped & {id(each) for each in method.average.parameters()}
        (only,) = method.steps(batch())
        only.loss.backward()
        assert not method.average.training

    def test_it_is_what_is_validated_and_kept(self) -> None:
        method = Ideal(segmenter(), IdealOptions(teacher=0.9)).eval()
        made = batch(np.ones(2, bool))
        before = float(method.validate(made)["loss"])
        for parameter in method.segmenter.parameters():
            parameter.data.zero_()
        assert float(method.validate(made)["loss"]) == before
        assert method.kept is method.average
        assert method.encoder is method.average.encoder  # type: ignore[union-attr]


class TestMixing:
    def test_true_voxels_cost_as_truth_and_the_others_by_the_weight(self) -> None:
        without = step(replace(FAITHFUL, mix=True, weight=0.0))
        weighted = step(replace(FAITHFUL, mix=True, weight=0.3))
        assert float(without.loss) == float(weighted.logs["loss_labelled"])
        added = 0.3 * float(weighted.logs["loss_unlabelled"])
        assert float(weighted.loss) == pytest.approx(float(without.loss) + added, rel=1e-9)
        assert added > 0

    def test_the_box_follows_seed_and_step(self) -> None:
        options = replace(FAITHFUL, mix=True)
        losses = {float(step(options).loss), float(step(replace(options, seed=1)).loss)}
        method = Ideal(segmenter(), options)
        method.steps_done = 1
        losses.add(float(next(method.steps(batch())).loss))
        assert len(losses) == 3
        assert float(step(options).loss) in losses

    def test_deciding_leaves_the_running_statistics_alone(self) -> None:
        """Only the pass that is learned from may move them; the twin decides in training mode."""

        def passes(method: Ideal) -> int:
            next(method.steps(batch()))
            norm = next(each for each in method.segmenter.modules() if isinstance(each, nn.BatchNorm2d))
            return int(norm.num_batches_tracked or 0)

        method = Ideal(segmenter(), replace(FAITHFUL, mix=True)).train()
        assert passes(method) == 1
        assert method.segmenter.training
        broken = Ideal(segmenter(), replace(FAITHFUL, mix=True)).train()
        broken.segmenter.eval = lambda: broken.segmenter  # type: ignore[method-assign]
        assert passes(broken) == 2


def test_validation_weighs_images_by_whether_they_show_a_class() -> None:
    method = Ideal(segmenter(), IdealOptions()).eval()
    found = method.validate(batch(np.ones(2, bool)))
    assert set(found) == {"loss", "weight", "dice_1", "dice_2"}
    assert 0 <= float(found["loss"]) <= 1


def test_it_learns_a_toy() -> None:
    method = Ideal(segmenter().float(), IdealOptions(teacher=0.8, mix=True)).train()
    optimizer = torch.optim.Adam(method.segmenter.parameters(), 2e-3)
    for number in range(60):
        made = batch(seed=number)
        (only,) = method.steps(replace(made, volumes=made.volumes.float()))
        optimizer.zero_grad()
        only.loss.backward()
        optimizer.step()
        method.after_step(0, number + 1)
    made = batch(np.ones(2, bool), seed=99)
    assert float(method.eval().validate(replace(made, volumes=made.volumes.float()))["loss"]) < 0.1


def test_ranks_divide_by_the_labelled_images_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares with two and one labelled images: the mean of the ranks' losses is the loss of the whole batch."""
    from medcl.training import whole_batch

    labelled = np.array([True, False, True, True])
    whole = batch(labelled)
    network = segmenter().eval()  # batch norms do not meet here
    expected = float(step(FAITHFUL, whole, network).loss)
    monkeypatch.setattr(whole_batch, "world_size", lambda: 2)
    parts = []
    for share in (slice(0, 2), slice(2, 4)):
        monkeypatch.setattr(ideal, "own_rows", lambda total, share=share: share)
        assert whole.labels is not None
        part = replace(whole, volumes=whole.volumes[share], labels=whole.labels[share])
        parts.append(float(step(FAITHFUL, part, network).loss))
    assert np.mean(parts) == pytest.approx(expected, rel=1e-9)


def test_gradients_in_bfloat16_are_those_of_float32() -> None:
    """Volumes a few slices deep, whose padded convolutions torch gets wrong on some CPUs (networks/padding.py)."""
    size = (4, 32, 32)
    volumes = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    norms = []
    for bfloat in (False, True):
        torch.manual_seed(0)
        network = build_segmenter("resnet10", size, 3)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat):
            loss = sum(each.float().square().mean() for each in network(volumes))
        assert isinstance(loss, Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        norms.append(torch.stack([p.grad.norm() for p in network.decoders.parameters() if p.grad is not None]))
    assert norms[1].isfinite().all()
    assert float(norms[1].max()) < 2 * float(norms[0].max())
