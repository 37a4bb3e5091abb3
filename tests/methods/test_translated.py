from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.losses import weighted_cross_entropy as loss_file
from medcl.losses.weighted_cross_entropy import weighted_cross_entropy
from medcl.methods.label_overlap import label_overlap
from medcl.methods.translated import Translated
from medcl.training.keeps_last import keeps_last
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from medcl.training.step import Step
from tests.methods.slices_of_two import (
    LABELLED,
    SOURCE,
    USED,
    mixed_batch,
    slices,
    small_generator,
    small_segmenter,
    truth,
)
from tests.methods.test_no_waiting import NoReading

CPU = torch.device("cpu")


def step(method: Translated, made: Batch | None = None) -> Step:
    (only,) = method.steps(made or mixed_batch())
    return only


def loss_of(made: Batch | None = None, **how: Any) -> float:
    method = Translated(**{"segmenter": small_segmenter(), "generator": small_generator(), **how})
    return step(method, made).loss.item()


def trained(method: Translated, steps: int = 3, **settings: Any) -> Translated:
    """Take some steps as the loop does."""
    usual = {"epochs": 1, "lr": 0.05, "weight_decay": 0.1, "warmup_epochs": 0.0, "precision": "fp32"}
    runner = StepRunner(method, TrainingSettings(**{**usual, **settings}), CPU)
    method.train()
    for index in range(steps):
        runner.run(mixed_batch(seed=index), 0, index, steps, index)
    runner.check()
    return method


def weights(module: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in module.parameters()])


def test_the_loss_by_hand() -> None:
    made, generator, segmenter = mixed_batch(), small_generator(), small_segmenter()
    assert made.labels is not None
    with torch.no_grad():
        each = weighted_cross_entropy(segmenter(generator(made.volumes[USED]))[0], made.labels[USED]).loss
    assert loss_of(made) == pytest.approx(float(each.mean()), rel=1e-12)


def test_without_a_generator_images_are_learned_from_as_they_are() -> None:
    made, segmenter = mixed_batch(), small_segmenter()
    assert made.labels is not None
    with torch.no_grad():
        each = weighted_cross_entropy(segmenter(made.volumes[USED])[0], made.labels[USED]).loss
    assert loss_of(made, generator=None) == pytest.approx(float(each.mean()), rel=1e-12)
    assert loss_of(made, generator=None) != pytest.approx(loss_of(made), rel=1e-3)
    assert loss_of(made, generator=small_generator(8)) != pytest.approx(loss_of(made), rel=1e-3)


@pytest.mark.parametrize("row", [1, 2, 3, 5], ids=["target", "unlabelled", "target", "target"])
def test_target_and_unlabelled_slices_change_nothing(row: int) -> None:
    """Nor do labels that a loader left there, nor a plan that calls a target slice labelled."""
    made = mixed_batch()
    assert made.labels is not None
    volumes, labels, labelled = made.volumes.clone(), made.labels.clone(), LABELLED.copy()
    volumes[row], labels[row] = 1 - volumes[row], 1
    labelled[row] = not SOURCE[row]
    plan = replace(made.plan, targets={"source": SOURCE, "labelled": labelled})
    assert loss_of(replace(made, volumes=volumes, labels=labels, plan=plan)) == loss_of(made)


@pytest.mark.parametrize("what", ["volumes", "labels"])
@pytest.mark.parametrize("row", USED)
def test_every_labelled_source_slice_counts(row: int, what: str) -> None:
    """The twin of the test above."""
    made = mixed_batch()
    changed = getattr(made, what).clone()
    changed[row] = changed[row].flip(-1)
    assert loss_of(replace(made, **{what: changed})) != pytest.approx(loss_of(made), rel=1e-6)


def test_a_batch_without_a_labelled_source_slice_has_no_step() -> None:
    method = Translated(small_segmenter(), small_generator())
    assert list(method.steps(mixed_batch(labelled=np.zeros(6, bool)))) == []


class Thaws(Translated):
    """The broken twin: the generator is trained on with the segmenter."""

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        assert self.generator is not None
        self.generator.requires_grad_(True)
        return {"main": [{"params": [*self.segmenter.parameters(), *self.generator.parameters()]}]}

    def _translated(self, slices: Tensor) -> Tensor:
        assert self.generator is not None
        return self.generator(slices)


@pytest.mark.parametrize("kind", [Translated, Thaws])
def test_the_generator_gets_no_gradient_and_does_not_change(kind: type[Translated]) -> None:
    generator, segmenter = small_generator(), small_segmenter()
    before = weights(generator), weights(segmenter)
    method = trained(kind(segmenter, generator))
    assert not torch.equal(weights(segmenter), before[1])
    frozen = torch.equal(weights(generator), before[0]) and all(each.grad is None for each in generator.parameters())
    assert frozen == (kind is Translated)
    stepped = {id(each) for each in method.parameter_groups()["main"][0]["params"]}
    assert stepped.isdisjoint({id(each) for each in generator.parameters()}) == frozen


def test_what_is_not_trained_stays_in_evaluation_mode() -> None:
    method = Translated(small_segmenter(), small_generator(), average=0.9).train()
    assert method.generator is not None
    assert method.average is not None
    assert method.segmenter.training
    assert not any(each.training for frozen in (method.generator, method.average) for each in frozen.modules())


def test_deep_supervision_weighs_levels_by_halves() -> None:
    made, generator = mixed_batch(), small_generator()
    assert made.labels is not None
    with torch.no_grad():
        levels = small_segmenter(deep=2)(generator(made.volumes[USED]))
        each = [float(weighted_cross_entropy(level, made.labels[USED]).loss.mean()) for level in levels]
    found = loss_of(made, segmenter=small_segmenter(deep=2))
    assert found == pytest.approx((each[0] + each[1] / 2 + each[2] / 4) / 1.75, rel=1e-12)
    assert found != pytest.approx(each[0], rel=1e-3)


class TestAverage:
    def test_it_is_kept_and_lags_behind(self) -> None:
        method = trained(Translated(small_segmenter(), small_generator(), average=0.9))
        assert method.kept is method.average
        assert method.encoder is method.average.encoder  # type: ignore[union-attr]
        assert not torch.equal(weights(method.kept), weights(method.segmenter))
        plain = trained(Translated(small_segmenter(), small_generator()))
        assert plain.kept is plain.segmenter
        assert torch.equal(weights(plain.segmenter), weights(method.segmenter)), "it does not touch what is trained"

    def test_its_momentum_is_as_told_and_its_first_steps_follow_the_network(self) -> None:
        for step, expected in ((1000, 0.1), (1, 0.5)):
            method = Translated(small_segmenter(), None, average=0.9)
            before = weights(method.kept)
            for parameter in method.segmenter.parameters():
                parameter.data += 1
            method.after_step(0, step)
            torch.testing.assert_close(weights(method.kept), before + expected)

    def test_it_gets_no_gradient(self) -> None:
        method = trained(Translated(small_segmenter(), None, average=0.9))
        assert all(each.grad is None and not each.requires_grad for each in method.kept.parameters())

    def test_it_is_what_is_validated(self) -> None:
        method = Translated(small_segmenter(), small_generator(), average=0.9).eval()
        made = mixed_batch(np.ones(6, bool), np.ones(6, bool))
        before = method.validate(made)
        for parameter in method.segmenter.parameters():
            parameter.data.zero_()
        assert all(torch.equal(before[name], value) for name, value in method.validate(made).items())


def test_validation_judges_translated_slices_of_an_image() -> None:
    made = mixed_batch(np.ones(20, bool), np.ones(20, bool))  # more than pass at a time
    assert made.labels is not None
    found = {}
    for name, generator in (("translated", small_generator()), ("as they are", None)):
        method = Translated(small_segmenter(), generator).eval()
        found[name] = method.validate(made)
        seen = made.volumes if generator is None else generator(made.volumes)
        decided = method.segmenter.probabilities(seen).argmax(dim=1, keepdim=True)
        expected = label_overlap(decided, made.labels, 3)
        assert {name: float(value) for name, value in found[name].items()} == pytest.approx(
            {name: float(value) for name, value in expected.items()}, nan_ok=True
        )
    assert set(found["translated"]) == {"loss", "weight", "dice_1", "dice_2"}
    assert float(found["translated"]["loss"]) != float(found["as they are"]["loss"])


def test_the_best_epoch_is_kept() -> None:
    assert not keeps_last(Translated(small_segmenter(), None))


def test_a_resume_needs_no_other_run() -> None:
    """The generator is in the state, so that it may be gone, or another one by then."""
    method = trained(Translated(small_segmenter(), small_generator(), average=0.9))
    again = Translated(small_segmenter(seed=1), small_generator(8), average=0.9)
    again.load_state_dict(copy.deepcopy(method.state_dict()))
    made = mixed_batch(seed=9)
    assert step(again, made).loss.item() == step(method, made).loss.item()
    assert torch.equal(weights(again.kept), weights(method.kept))


def test_a_step_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU every reading would make the host wait."""
    # on the CPU alone, torch's own looks whether all of the indices are classes
    monkeypatch.setattr(loss_file, "one_hot", lambda labels, count: labels[..., None] == torch.arange(count))
    method, made = Translated(small_segmenter(1), small_generator(), average=0.9).train(), mixed_batch()
    runner = StepRunner(method, TrainingSettings(epochs=1, precision="fp32"), CPU)
    with NoReading():
        runner.run(made, 0, 0, 1, 0)
    assert runner.sums.means()["loss"] > 0


class Inverts(nn.Module):
    """The translation of the toy, known beforehand."""

    def forward(self, slices: Tensor) -> Tensor:
        return 1 - slices


def overlap(method: Translated) -> float:
    """Mean Dice on inverted slices of other images."""
    labels = truth(8, seed=99)
    seen = 1 - slices(labels, seed=99)
    decided = method.kept.eval().probabilities(seen).argmax(dim=1, keepdim=True)
    return 1 - float(label_overlap(decided, labels, 3)["loss"])


@pytest.mark.parametrize("seed", [0, 1])
def test_translated_slices_teach_to_segment_the_target(seed: int) -> None:
    inverts: Any = Inverts()
    how = {"steps": 80, "optimizer": "adam", "lr": 5e-3, "weight_decay": 0.0, "schedule": "constant"}
    translated = overlap(trained(Translated(small_segmenter(seed=seed), inverts, average=0.5), **how))
    as_they_are = overlap(trained(Translated(small_segmenter(seed=seed), None, average=0.5), **how))
    assert translated > 0.8
    assert as_they_are < 0.6


def test_a_validation_image_without_labels_has_no_weight() -> None:
    made = mixed_batch(np.ones(3, bool), np.zeros(3, bool))
    assert float(Translated(small_segmenter(), None).eval().validate(made)["weight"]) == 0
