from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.data.plan import LABELLED, BatchPlan
from medcl.data.translation_task import SOURCE
from medcl.losses import cross_entropy_dice, weighted_cross_entropy
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.methods import translation, translation_rows
from medcl.methods.label_overlap import label_overlap
from medcl.methods.patch_contrast import positions_of
from medcl.methods.self_training import ramp
from medcl.methods.translation import DISCRIMINATOR, GENERATOR, Translation, TranslationOptions
from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from tests.methods.test_no_waiting import NoReading
from tests.methods.two_contrasts import CLASSES, SIDE, TwoContrasts

CPU = torch.device("cpu")
TAPS = ("stem", "down1", "block1")
PLAIN = TranslationOptions(taps=TAPS, patches=16)
FULL = replace(PLAIN, average=0.9, self_training=1.0, confidence=0.34)
ALONE = {"gan_weight": 0.0, "nce_weight": 0.0, "identity_weight": 0.0}
"""Nothing but the segmenter's losses."""

PARTS = ("generator", "discriminator", "projection", "segmenter")
TRANSLATING = {"generator", "projection", "segmenter"}


def method(
    options: TranslationOptions = PLAIN,
    segment: bool = True,
    kind: type[Translation] = Translation,
    deep: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Translation:
    """Small networks whose weights are large enough that every part of the loss differs from its start."""
    torch.manual_seed(0)
    generator, discriminator = Generator(4, 1), Discriminator(4)
    segmenter = UNet((1, SIDE, SIDE), CLASSES, (4, 4, 8, 8), deep) if segment else None
    projection = PatchProjection(generator.tap_channels(options.taps), 8)
    for network in (generator, projection, discriminator):
        for weight in network.parameters():
            weight.data *= 10
    return kind(generator, discriminator, projection, segmenter, options).to(dtype)


def batch(rows: list[int] | None = None, dtype: torch.dtype = torch.float64, **changed: Any) -> Batch:
    """Three slices of the source, the last of them not labelled, and two of the target."""
    source = TwoContrasts(0, slices=4, dtype=dtype, **changed)
    chosen = np.array([0, 4, 1, 5, 3] if rows is None else rows)
    return source.batch(source.plan(chosen, 10 * chosen))


def runner(made: Translation, **changed: Any) -> StepRunner:
    settings = {"epochs": 1, "optimizer": "adam", "lr": 1e-3, "warmup_epochs": 0.0, "precision": "fp32", **changed}
    return StepRunner(made, TrainingSettings(**settings), CPU)


def losses(made: Translation, given: Batch | None = None) -> dict[str, float]:
    """All that is logged, and the two losses; no optimizer is stepped."""
    found: dict[str, float] = {}
    for step in made.steps(given or batch()):
        found |= {name: float(value) for name, value in step.logs.items()} | {step.optimizer: float(step.loss.detach())}
    return found


def nce(made: Translation, slices: Tensor, keys: list[int], step: int = 0, count: int = 16) -> Tensor:
    """The paper's equations 5 to 11 with the code's means, image by image, tap by tap, position by position."""
    each = []
    for image, key in zip(slices, keys, strict=True):
        positions = positions_of([key], (SIDE, SIDE), step, replace(made.options, patches=count), CPU)
        of_taps = []
        for name in made.options.taps:
            maps = [made.generator.taps(seen, [name]) for seen in (made.generator(image[None]), image[None])]
            q, k = (made.projection(found, positions)[name][0] for found in maps)
            logits = q @ k.detach().T / made.options.temperature
            of_taps.append(torch.stack([logits[s].logsumexp(0) - logits[s, s] for s in range(len(q))]).mean())
        each.append(torch.stack(of_taps).mean())
    return torch.stack(each)


class TestLoss:
    def test_both_steps_by_hand(self) -> None:
        """The generator meets the discriminator that was stepped meanwhile."""
        made, given = method(), batch()
        assert made.segmenter is not None
        assert given.labels is not None
        source, target = given.volumes[[0, 2, 4]], given.volumes[[1, 3]]
        d, g = made.discriminator, made.generator
        steps = made.steps(given)
        first = next(steps)
        expected = d(g(source)).square().mean() + (d(target) - 1).square().mean()
        assert first.loss.item() == pytest.approx(expected.item(), rel=1e-9)
        assert float(first.logs["score_made"]) == pytest.approx(d(g(source)).mean().item(), rel=1e-9)
        assert float(first.logs["score_real"]) == pytest.approx(d(target).mean().item(), rel=1e-9)
        with torch.no_grad():
            for weight in d.parameters():
                weight.mul_(1.1)
        second = next(steps)
        truth = given.labels[[0, 2]]
        supervised = weighted_cross_entropy.weighted_cross_entropy(made.segmenter(g(given.volumes[[0, 2]]))[0], truth)
        parts = {
            "loss_gan": (d(g(source)) - 1).square().mean(),
            "loss_nce": nce(made, source, [0, 10, 30]).mean(),
            "loss_identity": nce(made, target, [40, 50]).mean(),
            "loss_segmentation": supervised.loss.mean(),
        }
        for name, value in parts.items():
            assert float(second.logs[name]) == pytest.approx(value.item(), rel=1e-9), name
        assert second.loss.item() == pytest.approx(sum(value.item() for value in parts.values()), rel=1e-9)
        chance = float(second.logs["loss_nce"]) / math.log(16)
        assert float(second.logs["nce_of_chance"]) == pytest.approx(chance, rel=1e-9), "all taps have 16 positions"
        assert (first.optimizer, second.optimizer, next(steps, None)) == (DISCRIMINATOR, GENERATOR, None)

    @pytest.mark.parametrize("c", [0.0, 0.3, 1.0])
    def test_a_discriminator_that_says_c_of_everything(self, c: float) -> None:
        made = method()
        last = made.discriminator.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.data.zero_()
        last.bias.data.fill_(c)
        found = losses(made)
        assert found["loss_gan"] == pytest.approx((c - 1) ** 2, abs=1e-12)
        assert found[DISCRIMINATOR] == pytest.approx(c**2 + (c - 1) ** 2, abs=1e-12)
        assert [found["score_made"], found["score_real"]] == pytest.approx([c, c])

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    def test_patches_that_all_look_alike_cost_ln_p(self, reduction: Any) -> None:
        """With 256 positions 5.545177 each; the smallest map has 64 cells, so few."""
        made = method(replace(PLAIN, patches=256, reduction=reduction))
        for weight in made.projection.parameters():
            weight.data.zero_()
        counts = [256, 256, 64]
        each = [math.log(count) * (count if reduction == "sum" else 1 / len(counts)) for count in counts]
        found = losses(made)
        assert found["loss_nce"] == pytest.approx(sum(each))
        assert found["loss_identity"] == pytest.approx(sum(each))
        assert found["nce_of_chance"] == pytest.approx(1)
        assert math.log(256) == pytest.approx(5.545177, abs=1e-6)

    def test_a_slice_costs_the_same_in_any_batch(self) -> None:
        """Positions, too, belong to the slice."""
        made = method()
        alone = [losses(made, batch([row, 4])) for row in (0, 1)]
        together = losses(made, batch([0, 4, 1, 5]))
        for name in ("loss_gan", "loss_nce", "loss_segmentation"):
            assert together[name] == pytest.approx(np.mean([each[name] for each in alone]), rel=1e-9)
        other = losses(made, batch([1, 5, 4, 0]))
        assert other == pytest.approx(together, rel=1e-9), "and in any order"

    def test_deep_outputs_weigh_half_as_much_a_level(self) -> None:
        made, given = method(deep=2), batch()
        assert made.segmenter is not None
        assert given.labels is not None
        logits = made.segmenter(made.generator(given.volumes[[0, 2]]))
        entropy = weighted_cross_entropy.weighted_cross_entropy
        a, b, c = (entropy(each, given.labels[[0, 2]]).loss.mean() for each in logits)
        assert losses(made)["loss_segmentation"] == pytest.approx(float((4 * a + 2 * b + c) / 7), rel=1e-9)

    def test_masks_that_are_not_to_be_seen_change_nothing(self) -> None:
        """Those of the target and of slices that the plan hides; the twins are the shown ones and a plan that shows."""
        options = replace(FULL, organ_negatives=True)
        given = batch()
        assert given.labels is not None
        expected = losses(method(options), given)
        for rows, seen in (([1, 3, 4], False), ([0], True)):
            labels = given.labels.clone()
            labels[rows] = torch.arange(SIDE * SIDE).view(SIDE, SIDE) % CLASSES
            found = losses(method(options), replace(given, labels=labels))
            assert (found != expected) == seen
        targets = {**given.plan.targets, LABELLED: given.plan.targets[LABELLED] | True}
        shown = replace(given, plan=replace(given.plan, targets=targets))
        assert losses(method(options), shown)["loss_segmentation"] != expected["loss_segmentation"]

    @pytest.mark.parametrize("rows", [[0, 4], [4, 0], [3, 4], [0, 1, 2, 4], [0, 4, 5, 6]])
    def test_batches_of_one_and_unequal_ones_work(self, rows: list[int]) -> None:
        found = losses(method(FULL), batch(rows))
        assert all(math.isfinite(value) for value in found.values())
        assert ("loss_segmentation" in found) == (rows != [3, 4]), "3 is not labelled"

    def test_without_a_segmenter_it_translates_only(self) -> None:
        found = losses(method(segment=False), replace(batch(), labels=None))
        assert set(found) == {
            *(DISCRIMINATOR, GENERATOR, "score_made", "score_real"),
            *("loss_gan", "loss_nce", "loss_identity", "nce_of_chance"),
        }

    def test_without_the_identity_term_target_slices_are_not_translated(self) -> None:
        made, seen = method(replace(PLAIN, identity_weight=0.0)), []
        made.generator.stem.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
        assert "loss_identity" not in losses(made)
        assert seen == [3, 3]


class TestNegatives:
    def of_images(self, made: Translation, given: Batch) -> Tensor:
        """What each source slice adds to the contrast: the gradient of the loss for it is its own alone."""
        volumes = given.volumes.clone().requires_grad_()
        *_, last = made.steps(replace(given, volumes=volumes))
        return torch.autograd.grad(last.loss, volumes)[0]

    def test_other_images_are_never_negatives(self) -> None:
        """Image 2 may become anything: how the loss depends on image 1 stays."""
        given = batch()
        other = replace(given, volumes=given.volumes.clone())
        other.volumes[2] = other.volumes[2].flip(-1)
        before, after = (self.of_images(method(replace(PLAIN, organ_negatives=True)), each) for each in (given, other))
        torch.testing.assert_close(before[0], after[0], rtol=1e-9, atol=1e-12)
        assert not torch.allclose(before[2], after[2], rtol=1e-3)

    def test_negatives_of_other_images_would_be_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The twin: all patches of a batch in one matrix."""
        from medcl.methods import patch_contrast

        whole = patch_contrast.patch_nce

        def crossing(queries: Tensor, keys: Tensor, *arguments: Any) -> Tensor:
            together = (each.flatten(0, 1)[None] for each in (queries, keys))
            return whole(*together, arguments[0]).expand(len(queries))

        monkeypatch.setattr(patch_contrast, "patch_nce", crossing)
        given = batch()
        other = replace(given, volumes=given.volumes.clone())
        other.volumes[2] = other.volumes[2].flip(-1)
        before, after = (self.of_images(method(), each) for each in (given, other))
        assert not torch.allclose(before[0], after[0], rtol=1e-6)

    def test_patches_of_one_organ_are_left_in_peace(self) -> None:
        """With fewer negatives a source slice costs less; one without labels, and the target, cost as before."""
        plain, organs = losses(method()), losses(method(replace(PLAIN, organ_negatives=True)))
        assert organs["loss_nce"] < plain["loss_nce"] - 1e-6
        assert organs["loss_identity"] == plain["loss_identity"]
        unlabelled = [losses(method(replace(PLAIN, organ_negatives=on)), batch([3, 4])) for on in (False, True)]
        assert unlabelled[0] == unlabelled[1]


def weights(made: Translation) -> dict[str, list[Tensor]]:
    return {name: [each.detach().clone() for each in getattr(made, name).parameters()] for name in PARTS}


def changed(before: dict[str, list[Tensor]], after: dict[str, list[Tensor]]) -> set[str]:
    return {n for n in PARTS if not all(torch.equal(a, b) for a, b in zip(before[n], after[n], strict=True))}


def stepped(made: Translation) -> list[set[str]]:
    """Which networks each of the two optimizer steps of a batch changed."""
    seen: list[set[str]] = []
    going = runner(made)
    update, before = going._update, weights(made)

    def watched(step: Any) -> Tensor:
        nonlocal before
        norm = update(step)
        seen.append(changed(before, weights(made)))
        before = weights(made)
        return norm

    going._update = watched  # type: ignore[method-assign]
    going.run(batch(), 0, 0, 1, 0)
    return seen


class Mixed(Translation):
    """The broken one: the discriminator's weights are the generator's optimizer's as well."""

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        groups = super().parameter_groups()
        own, generator = groups[DISCRIMINATOR], groups[GENERATOR]
        return {DISCRIMINATOR: [{"params": [nn.Parameter(torch.zeros(1))]}], GENERATOR: [*generator, *own]}


class TestRouting:
    def test_each_step_changes_its_own_networks_alone(self) -> None:
        assert stepped(method(FULL)) == [{"discriminator"}, TRANSLATING]

    def test_steps_on_others_networks_are_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(translation, "_frozen", lambda network: nullcontext())
        assert stepped(method(kind=Mixed)) == [set(), {*TRANSLATING, "discriminator"}]

    def with_gradient(self, made: Translation, number: int) -> set[str]:
        """The networks in which the backward pass of one of the two steps leaves anything."""
        for place, step in enumerate(made.steps(batch())):
            made.zero_grad()
            if place == number:
                step.loss.backward()  # type: ignore[no-untyped-call]
                return {name for name in PARTS if any(p.grad is not None for p in getattr(made, name).parameters())}
        raise AssertionError

    def test_the_discriminators_loss_gives_gradient_to_it_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.with_gradient(method(), 0) == {"discriminator"}
        monkeypatch.setattr(Tensor, "detach", lambda self: self)  # the twin
        assert self.with_gradient(method(), 0) == {"discriminator", "generator"}

    def test_the_generators_loss_gives_none_to_the_discriminator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = method()
        assert self.with_gradient(made, 1) == TRANSLATING
        assert all(each.requires_grad for each in made.discriminator.parameters()), "it learns again"
        monkeypatch.setattr(translation, "_frozen", lambda network: nullcontext())  # the twin
        assert self.with_gradient(method(), 1) == {*TRANSLATING, "discriminator"}

    def test_what_was_frozen_before_stays_so(self) -> None:
        made = method()
        first = next(made.discriminator.parameters()).requires_grad_(False)
        losses(made)
        assert not first.requires_grad
        assert all(each.requires_grad for each in [*made.discriminator.parameters()][1:])

    def test_the_discriminator_is_freed_when_its_forward_pass_fails(self) -> None:
        made = method()
        steps = made.steps(batch())
        next(steps)
        made.discriminator.forward = lambda images: 1 / 0  # type: ignore[assignment,method-assign,return-value]
        with pytest.raises(ZeroDivisionError):
            next(steps)
        assert all(each.requires_grad for each in made.discriminator.parameters())

    def strength(self, options: TranslationOptions) -> dict[str, float]:
        """The largest gradient of the generator's step in each network."""
        made = method(options)
        *_, last = made.steps(batch())
        last.loss.backward()  # type: ignore[no-untyped-call]
        grads = {name: [p.grad for p in getattr(made, name).parameters()] for name in PARTS}
        return {n: max((float(g.abs().max()) for g in each if g is not None), default=0) for n, each in grads.items()}

    def test_the_segmenters_loss_reaches_the_generator_unless_detached(self) -> None:
        through = self.strength(replace(PLAIN, **ALONE))
        assert through["generator"] > 0
        assert through["segmenter"] > 0
        detached = self.strength(replace(PLAIN, **ALONE, detach_translated=True))
        assert detached["generator"] == 0
        assert detached["segmenter"] == through["segmenter"]

    def test_self_training_reaches_the_segmenter_alone(self) -> None:
        options = replace(FULL, **ALONE, segmentation_weight=0.0)
        found = self.strength(options)
        assert found.pop("segmenter") > 0
        assert not any(found.values())
        assert not any(self.strength(replace(options, self_training=0.0)).values())

    def test_keys_get_no_gradient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The generator's gradient of the contrast is that with keys from a copy; the twin lets keys learn."""
        options = replace(PLAIN, gan_weight=0.0, identity_weight=0.0, segmentation_weight=0.0)

        def gradient(made: Translation, loss: Tensor) -> Tensor:
            return torch.autograd.grad(loss, made.generator.stem.weight)[0]

        made, given = method(options), batch()
        *_, last = made.steps(given)
        expected = gradient(made, nce(made, given.volumes[[0, 2, 4]], [0, 10, 30]).mean())
        torch.testing.assert_close(gradient(made, last.loss), expected, rtol=1e-9, atol=1e-12)
        from medcl.methods import patch_contrast

        learning = method(options)
        monkeypatch.setattr(Tensor, "detach", lambda self: self)
        monkeypatch.setattr(patch_contrast.torch, "no_grad", nullcontext)
        *_, last = learning.steps(given)
        assert not torch.allclose(gradient(learning, last.loss), expected, rtol=1e-3)


def after_two_steps(options: TranslationOptions, kind: Callable[..., Translation] = method) -> list[Tensor]:
    made = kind(options)
    going = runner(made)
    for number in range(2):
        going.run(batch(), 0, number, 2, number)
    kept = [*made.kept_generator.parameters(), *made.kept_segmenter.parameters()]  # type: ignore[union-attr]
    return [each.detach().clone() for each in kept]


@pytest.mark.parametrize(
    "change",
    [
        {"taps": ("stem", "down1")},
        {"patches": 8},
        {"temperature": 0.1},
        {"gan_weight": 0.5},
        {"nce_weight": 0.5},
        {"identity_weight": 0.0},
        {"segmentation_weight": 0.5},
        {"reduction": "sum"},
        {"organ_negatives": True},
        {"self_training": 0.5},
        {"self_training_ramp": 10},
        {"confidence": 0.9},
        {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_option_changes_the_loss(change: dict[str, Any]) -> None:
    found, other = losses(method(FULL)), losses(method(replace(FULL, **change)))
    assert found[DISCRIMINATOR] == other[DISCRIMINATOR], "of the same networks and slices"
    assert found[GENERATOR] != pytest.approx(other[GENERATOR], rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [{"detach_translated": True}, {"average": 0.3}, {"betas": (0.9, 0.999)}],
    ids=lambda each: next(iter(each)),
)
def test_every_other_option_changes_the_weights(change: dict[str, Any]) -> None:
    pairs = zip(after_two_steps(FULL), after_two_steps(replace(FULL, **change)), strict=True)
    assert any(not torch.allclose(a, b, rtol=1e-6) for a, b in pairs)


def test_adam_gets_the_papers_codes_betas() -> None:
    for optimizer in runner(method()).optimizers.values():
        assert all(group["betas"] == (0.5, 0.999) for group in optimizer.param_groups)


class TestAverage:
    def test_both_are_moving_averages(self) -> None:
        made = method(FULL)
        assert made.kept_generator is made.average_generator is made.encoder
        assert made.kept_segmenter is made.average_segmenter
        pairs = [(made.generator, made.kept_generator), (made.segmenter, made.kept_segmenter)]
        before = [[each.clone() for each in mean.parameters()] for _, mean in pairs]  # type: ignore[union-attr]
        for network, _ in pairs:
            for weight in network.parameters():  # type: ignore[union-attr]
                weight.data += 1
        made.after_step(0, 1000)
        for (_, mean), old in zip(pairs, before, strict=True):
            for a, b in zip(mean.parameters(), old, strict=True):  # type: ignore[union-attr]
                torch.testing.assert_close(a.data, b + 0.1)

    def test_without_one_the_networks_themselves_are_kept(self) -> None:
        made = method()
        assert (made.kept_generator, made.kept_segmenter) == (made.generator, made.segmenter)
        assert method(segment=False).kept_segmenter is None
        assert made.keeps_last

    def test_its_first_steps_follow_the_network(self) -> None:
        made = method(FULL)
        before = next(made.kept_generator.parameters()).clone()
        next(made.generator.parameters()).data += 1
        made.after_step(0, 1)
        torch.testing.assert_close(next(made.kept_generator.parameters()), before + 0.5)

    def test_nobody_steps_on_it_and_it_stays_in_evaluation_mode(self) -> None:
        made = method(FULL).train()
        averages = [made.average_generator, made.average_segmenter]
        params = {id(each) for mean in averages for each in mean.parameters()}  # type: ignore[union-attr]
        groups = [group for each in made.parameter_groups().values() for group in each]
        assert not params & {id(each) for group in groups for each in group["params"]}
        assert not any(each.requires_grad for mean in averages for each in mean.parameters())  # type: ignore[union-attr]
        losses(made)
        assert not any(mean.training for mean in averages)  # type: ignore[union-attr]
        assert made.generator.training


class TestSelfTraining:
    def test_its_weight_ramps_up(self) -> None:
        assert [ramp(step, 10) for step in (0, 5, 10, 99)] == pytest.approx([math.exp(-5), math.exp(-1.25), 1, 1])
        made = method(replace(FULL, self_training_ramp=10))
        without = method(replace(FULL, self_training=0.0))
        for made_steps in (0, 5, 10):
            made.steps_done = without.steps_done = made_steps
            found, plain = losses(made), losses(without)
            added = ramp(made_steps, 10) * found["loss_self_training"]
            assert found[GENERATOR] - plain[GENERATOR] == pytest.approx(added, rel=1e-6)

    def test_it_learns_only_where_the_average_is_sure(self) -> None:
        none, some, all_ = (losses(method(replace(FULL, confidence=least))) for least in (1 - 1e-12, 0.6, 0.0))
        assert none["loss_self_training"] == none["taken"] == 0
        assert 0 < some["taken"] < 1
        assert all_["taken"] == 1

    def test_the_average_teaches_and_not_the_network(self) -> None:
        made = method(FULL)
        before = losses(made)["taken"]
        for weight in made.segmenter.parameters():  # type: ignore[union-attr]
            weight.data.zero_()
        assert losses(made)["taken"] == before
        for weight in made.average_segmenter.parameters():  # type: ignore[union-attr]
            weight.data.zero_()
        assert losses(made)["taken"] == 0, "of three classes it believes a third each"

    def test_the_perturbation_follows_seed_step_and_slice(self) -> None:
        made = method(FULL)
        found = [losses(made)["loss_self_training"]]
        made.steps_done = 1
        found.append(losses(made)["loss_self_training"])
        found.append(losses(method(replace(FULL, seed=1)))["loss_self_training"])
        assert len(set(found)) == 3
        assert losses(method(FULL))["loss_self_training"] == found[0]

    def test_it_needs_a_teacher_and_a_segmenter(self) -> None:
        with pytest.raises(BadInput, match=r"--self-training 0.1 needs .* --average 0.999"):
            TranslationOptions(self_training=0.1)
        with pytest.raises(BadInput, match="--segment"):
            method(FULL, segment=False)


class TestValidation:
    def test_with_labels_it_is_the_overlap_on_translated_slices(self) -> None:
        made, given = method(FULL).eval(), batch([0, 1])
        found = made.validate(given)
        assert given.labels is not None
        decided = made.kept_segmenter(made.kept_generator(given.volumes))[0].argmax(1, keepdim=True)  # type: ignore[misc]
        expected = label_overlap(decided, given.labels, CLASSES)
        assert set(found) == {"loss", "weight", "dice_1", "dice_2", "loss_nce"}
        assert all(torch.equal(found[name], value) for name, value in expected.items())

    @pytest.mark.parametrize(("segment", "rows"), [(False, [0, 1]), (True, [3])])
    def test_without_it_is_the_contrast(self, segment: bool, rows: list[int]) -> None:
        made, given = method(segment=segment).eval(), batch(rows)
        found = made.validate(given)
        assert set(found) == {"loss", "weight"}
        assert float(found["weight"]) == len(rows)
        expected = nce(made, given.volumes, [10 * row for row in rows], step=translation.FIXED_STEP).mean()
        assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-9)

    def test_positions_are_fixed_and_slices_split(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made, given = method().eval(), batch([0, 1, 2])
        found = made.validate(given)
        made.steps_done = 7
        monkeypatch.setattr(translation, "EVALUATION_IMAGES", 2)
        again = made.validate(given)
        for name, value in found.items():
            assert float(value) == pytest.approx(float(again[name]), rel=1e-9)

    def test_it_judges_what_is_kept(self) -> None:
        made, given = method(FULL).eval(), batch([0, 1])
        before = {name: float(value) for name, value in made.validate(given).items()}
        for network in (made.generator, made.segmenter):
            for weight in network.parameters():  # type: ignore[union-attr]
                weight.data.zero_()
        assert {name: float(value) for name, value in made.validate(given).items()} == before


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"patches": 1}, "--patches is 1; expected 2 or more"),
        ({"temperature": 0.0}, "--temperature is 0.0; expected above 0"),
        ({"taps": ()}, "--taps is empty"),
        ({"taps": ("stem", "stem")}, "--taps is stem stem; expected one or more names, each once"),
        ({"average": 1.0}, r"--average is 1.0; expected in \[0, 1\)"),
        ({"nce_weight": -1.0}, "--nce-weight is -1.0; expected 0 or more"),
        ({"confidence": 1.0}, "--confidence is 1.0"),
        ({"reduction": "max"}, "--nce-reduction is max; expected mean or sum"),
    ],
)
def test_values_that_cannot_be_used_are_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        TranslationOptions(**values)


def test_a_tap_that_the_generator_lacks_is_named() -> None:
    with pytest.raises(BadInput, match="block5"):
        method(replace(PLAIN, taps=("stem", "block5")))


def test_a_projection_for_other_taps_is_refused() -> None:
    made = method()
    with pytest.raises(ValueError, match="down2"):
        Translation(made.generator, made.discriminator, made.projection, None, replace(PLAIN, taps=("down2",)))


def test_taps_have_the_shapes_of_the_table() -> None:
    """What the method contrasts: 32 x 32 cells with the stem's channels, ..., 8 x 8 after two halvings."""
    made = method(replace(PLAIN, taps=("input", "stem", "down1", "down2", "block1")))
    translated, maps = made.generator.translate(batch().volumes, made.options.taps)
    assert translated.shape == (5, 1, 1, SIDE, SIDE)
    sizes = {"input": (1, 38), "stem": (4, 32), "down1": (8, 32), "down2": (16, 16), "block1": (16, 8)}
    assert {name: each.shape for name, each in maps.items()} == {n: (5, c, s, s) for n, (c, s) in sizes.items()}


@pytest.mark.parametrize("change", [{}, {"organ_negatives": True, "reduction": "sum"}], ids=["usual", "organs"])
def test_bfloat16_works(change: dict[str, Any]) -> None:
    losses_of = []
    for precision in ("fp32", "bf16"):
        made = method(replace(FULL, **change), dtype=torch.float32)
        going = runner(made, precision=precision)
        for number in range(2):
            going.run(batch(dtype=torch.float32), 0, number, 2, number)
        going.check()
        losses_of.append(going.sums.means())
        assert all(each.isfinite().all() for each in made.parameters())
    full, half = losses_of
    for name in ("loss_gan", "loss_nce", "loss_identity", "loss_segmentation", "score_real"):
        assert half[name] == pytest.approx(full[name], rel=0.1, abs=0.02), name


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lars"])
def test_every_optimizer_steps(optimizer: str) -> None:
    """The first batch has no labelled slice, so that the segmenter's first gradient comes later than the others'."""
    made = method(dtype=torch.float32)
    going = runner(made, optimizer=optimizer)
    for number, rows in enumerate(([3, 4], [0, 4], [3, 5])):
        going.run(batch(rows, dtype=torch.float32), 0, number, 3, number)
    assert all(math.isfinite(value) for value in going.sums.means().values())


def test_both_losses_and_the_gradients_of_both_are_written() -> None:
    going = runner(method(FULL))
    going.run(batch(), 0, 0, 1, 0)
    found = going.sums.means()
    assert found["loss"] == pytest.approx(found["loss_discriminator"] + found["loss_generator"])
    assert {"grad_norm_discriminator", "grad_norm_generator", "score_real", "nce_of_chance", "taken"} <= set(found)


def test_a_step_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU every reading would make the host wait."""
    for module in (cross_entropy_dice, weighted_cross_entropy):  # on the CPU alone, torch's own looks at the indices
        monkeypatch.setattr(module, "one_hot", lambda labels, count: labels[..., None] == torch.arange(count))
    # drawn on the host, as in loading, where it looks at its own draws
    monkeypatch.setattr(translation, "perturb", lambda slices, *_: slices.square())
    made = method(replace(FULL, organ_negatives=True), dtype=torch.float32)
    going, given = runner(made), batch(dtype=torch.float32)
    for number in range(2):
        with NoReading():
            going.run(given, 0, number, 2, number)
    assert going.sums.means()["loss"] > 0


def test_a_process_without_a_slice_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of one source slice and one of the target among three processes."""
    made = method(FULL)
    expected = set(losses(made))
    monkeypatch.setattr(translation_rows, "own_rows", lambda total: slice(total, total))
    given = batch()
    nothing = replace(given, volumes=given.volumes[:0], labels=given.labels[:0])  # type: ignore[index]
    found: set[str] = set()
    for step in made.steps(nothing):
        step.loss.backward()  # type: ignore[no-untyped-call]
        assert float(step.loss) == 0
        found |= {*step.logs, step.optimizer}
    assert found == expected


def test_a_plan_of_target_slices_alone_has_no_labels() -> None:
    plan = BatchPlan(np.arange(2), np.arange(2), {SOURCE: np.zeros(2, bool), LABELLED: np.ones(2, bool)})
    rows = translation_rows.rows_of(Batch(torch.zeros(2, 1, 1, SIDE, SIDE), {}, ["a", "b"], plan))
    assert (rows.sources, rows.targets, rows.labels, len(rows.source)) == (0, 2, 0, 0)
    assert UNLABELLED == 255
