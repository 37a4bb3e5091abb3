"""The dense method: what it compares, its moving average, its options, its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from medcl.data.augment import Augmentation
from medcl.data.loader import Batch, Loader
from medcl.data.plan import BatchPlan
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.data.views import unmoved
from medcl.losses.dense_local import dense_local
from medcl.methods import dense as module
from medcl.methods.dense import Dense, DenseOptions
from medcl.networks.encoder import build_encoder
from medcl.study.errors import BadInput
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.small_study import samples

SIZE = (1, 64, 64)
IMAGES = 4
CPU = torch.device("cpu")


def method(size: tuple[int, int, int] = SIZE, micro_batch: int | None = None, **options: Any) -> Dense:
    torch.manual_seed(1)
    chosen = DenseOptions(**options)
    return Dense(build_encoder("resnet10", size), "resnet10", chosen, images=IMAGES, micro_batch=micro_batch)


def batch(views: Tensor | None = None, **targets: list[float]) -> Batch:
    """Two noisy views of each of four images, which have patients and positions."""
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(IMAGES, 1, *SIZE, generator=generator).repeat_interleave(2, dim=0)
    volumes = images + 0.1 * torch.rand(2 * IMAGES, 1, *SIZE, generator=generator)
    known = {"image": [0, 1, 2, 3], "patient": [0, 0, 1, 2], "position": [0.0, 0.5, 0.5, 1.0]} | targets
    on_host = {name: np.repeat(np.array(values), 2) for name, values in known.items()}
    rows = np.arange(2 * IMAGES)
    plan = BatchPlan(rows, rows, on_host)
    on_device = {name: torch.from_numpy(values) for name, values in on_host.items()}
    return Batch(volumes, on_device, [f"P{row}" for row in rows], plan, None, unmoved(8) if views is None else views)


def loss_of(made: Dense, of: Batch | None = None) -> float:
    return next(iter(made.train().steps(of or batch()))).loss.item()


def by_hand(made: Dense, of: Batch, negatives: Tensor, same_cell: bool) -> Tensor:
    """The loss of both directions from the networks' own parts."""
    features, key_features = made.embedder.encoder(of.volumes), made.keys.encoder(of.volumes)
    q, k = (net.projection(f).flatten(2).mT for net, f in ((made.embedder, features), (made.keys, key_features)))
    losses = []
    for mine, theirs in ((0, 1), (1, 0)):
        f, g = (normalize(x.flatten(2).mT, dim=2) for x in (features[mine::2], key_features[theirs::2]))
        match = torch.arange(4).expand(IMAGES, 4) if same_cell else (f @ g.mT).argmax(dim=2)
        every = torch.ones(IMAGES, 4, dtype=torch.bool)
        losses.append(dense_local(q[mine::2], k[theirs::2], match, every, negatives, made.options.temperature).loss)
    return torch.cat(losses).mean()


@pytest.mark.parametrize("positives", ["feature", "geometric"])
def test_it_is_the_local_loss_in_both_directions(positives: str) -> None:
    made = method(positives=positives)
    (step,) = made.steps(batch())
    expected = by_hand(made, batch(), ~torch.eye(IMAGES, dtype=torch.bool), positives == "geometric")
    torch.testing.assert_close(step.loss, expected)
    assert made.cells == (1, 2, 2)
    assert step.embeddings.shape == (32, 128)
    assert step.logs["matched_cells"].item() == 1
    assert step.logs["loss"] == step.loss


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ({"same_patient": False}, [(0, 1)]),
        ({"position_gap": 0.35}, [(1, 2)]),
        ({"position_gap": 0.5}, [(1, 2)]),
        ({"position_gap": 0.6}, [(1, 2), (0, 1), (0, 2), (1, 3), (2, 3)]),
        ({"position_gap": 0.35, "same_patient": False}, [(0, 1), (1, 2)]),
    ],
)
def test_images_that_are_alike_can_be_left_out_of_the_negatives(
    options: dict[str, Any], pairs: list[tuple[int, int]]
) -> None:
    made = method(positives="geometric", **options)
    negatives = ~torch.eye(IMAGES, dtype=torch.bool)
    for a, b in pairs:
        negatives[a, b] = negatives[b, a] = False
    torch.testing.assert_close(next(iter(made.steps(batch()))).loss, by_hand(made, batch(), negatives, True))
    assert loss_of(method(positives="geometric", **options)) < loss_of(method(positives="geometric"))
    assert made.collapse_loss is None


def test_volumes_have_no_position_and_stay_negatives() -> None:
    nowhere = batch(position=[math.nan] * IMAGES)
    assert loss_of(method(position_gap=0.35), nowhere) == loss_of(method(), nowhere)


def test_one_image_twice_in_a_batch_is_no_negative_of_itself() -> None:
    twice = batch(image=[0, 1, 1, 3])
    made = method(positives="geometric")
    negatives = ~torch.eye(IMAGES, dtype=torch.bool)
    negatives[1, 2] = negatives[2, 1] = False
    torch.testing.assert_close(next(iter(made.steps(twice))).loss, by_hand(made, twice, negatives, True))


def test_the_views_geometry_is_used() -> None:
    flipped = unmoved(8)
    flipped[1::2, 0, 0] = -1
    made = method(positives="geometric")
    (step,) = made.steps(batch(flipped))
    assert step.logs["matched_cells"].item() == 0.5, "cell 0 of a flip of two cells has no partner"
    assert step.loss.item() != loss_of(method(positives="geometric"))
    assert loss_of(method(), batch(flipped)) == loss_of(method()), "features know nothing of it"


def test_views_without_overlap_give_zero_and_not_nan() -> None:
    apart = unmoved(8)
    apart[:, 0, 0], apart[0::2, 0, 3], apart[1::2, 0, 3] = 0.4, -0.6, 0.6
    (step,) = method(positives="geometric").steps(batch(apart))
    step.loss.backward()
    numbers = {name: value.item() for name, value in step.logs.items()}
    assert numbers == {"loss": 0, "positive_cosine": 0, "negative_cosine": 0, "matched_cells": 0}


def test_the_collapse_value_is_the_loss_of_equal_embeddings() -> None:
    made = method()
    for head in (made.embedder.projection, made.keys.projection):
        torch.nn.init.zeros_(head.layers[-1].weight)
    assert loss_of(made) == pytest.approx(made.collapse_loss, abs=1e-5)
    assert made.collapse_loss == pytest.approx(math.log(1 + 3 * 4))


@pytest.mark.parametrize(
    "options",
    [{"positives": "geometric"}, {"warmup_steps": 1}, {"stride": 16}, {"temperature": 0.2}, {"same_patient": False}],
)
def test_options_change_the_loss(options: dict[str, Any]) -> None:
    flipped = unmoved(8)
    flipped[1::2, 0, 0] = -1
    plain, changed = (loss_of(made, batch(flipped)) for made in (method(), method(**options)))
    assert changed != pytest.approx(plain, abs=1e-4)


def test_stride_16_gives_four_times_the_cells_and_trains_all_of_the_encoder() -> None:
    made = method(stride=16)
    (step,) = made.steps(batch())
    assert made.cells == (1, 4, 4)
    assert step.embeddings.shape == (8 * 16, 128)
    step.loss.backward()
    assert all(weight.grad is not None for weight in made.encoder.parameters())


@pytest.mark.parametrize("size", [(1, 33, 47), (5, 40, 33)])
@pytest.mark.parametrize("stride", [16, 32])
def test_odd_sizes_and_volumes(size: tuple[int, int, int], stride: int) -> None:
    made = method(size, stride=stride)
    assert made.embedder.encoder(torch.rand(2, 1, *size)).shape[2:] == made.cells


def trained_by_hand(made: Dense, steps: int = 2, lr: float = 0.1) -> None:
    (parameters,) = made.parameter_groups().values()
    optimizer = torch.optim.SGD(parameters, lr=lr)
    for number in range(steps):
        for step in made.steps(batch()):
            optimizer.zero_grad()
            step.loss.backward()
            optimizer.step()
        made.after_step(0, number + 1)


def follows(made: Dense) -> bool:
    """Whether the keys are the moving average of the queries, get no gradient, and belong to no optimizer."""
    average = [key.clone() for key in made.keys.parameters()]
    for _ in range(2):
        trained_by_hand(made, 1)
        queries = made.embedder.parameters()
        average = [old * 0.9 + new.detach() * 0.1 for old, new in zip(average, queries, strict=True)]
    moved = all(torch.allclose(a, k, atol=1e-6) for a, k in zip(average, made.keys.parameters(), strict=True))
    (parameters,) = made.parameter_groups().values()
    taught = {id(p) for p in parameters} & {id(p) for p in made.keys.parameters()}
    without = all(key.grad is None and not key.requires_grad for key in made.keys.parameters())
    return moved and without and not taught


def test_the_keys_follow_the_queries_without_gradient() -> None:
    assert follows(method(momentum=0.9))


def test_keys_that_are_trained_or_do_not_follow_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins: keys that are the queries' own network, and keys that stay as they were."""
    siamese = method(momentum=0.9)
    siamese.keys = siamese.embedder
    assert not follows(siamese)
    monkeypatch.setattr(Dense, "after_step", lambda self, epoch, step: None)
    assert not follows(method(momentum=0.9))


def test_no_gradient_reaches_the_encoder_through_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    made = method()
    seen: list[Tensor] = []
    original = module.dense_local
    monkeypatch.setattr(module, "dense_local", lambda q, k, *rest: seen.append(k) or original(q, k, *rest))
    list(made.steps(batch()))
    assert [keys.requires_grad for keys in seen] == [False, False]


def test_keys_can_start_again_from_loaded_weights() -> None:
    made = method()
    torch.nn.init.ones_(made.encoder.network.conv1.weight)
    made.restart_keys()
    states = made.embedder.state_dict(), made.keys.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not any(key.requires_grad for key in made.keys.parameters())


def test_the_warm_up_ends_after_its_steps_also_in_a_resumed_run() -> None:
    made = method(warmup_steps=2)
    kinds: list[str] = []
    original = made._contrast
    made._contrast = lambda of, positives: kinds.append(positives) or original(of, positives)  # type: ignore[method-assign]
    trained_by_hand(made, 3)
    assert kinds == ["geometric", "geometric", "feature"]
    other = method(warmup_steps=2)
    other.load_state_dict(made.state_dict())
    assert other._steps_done == 3
    made.eval().validate(batch())
    assert kinds[-1] == "feature"
    made = method(warmup_steps=2)
    kinds.clear()
    original = made._contrast
    made._contrast = lambda of, positives: kinds.append(positives) or original(of, positives)  # type: ignore[method-assign]
    made.eval().validate(batch())
    assert kinds == ["feature"], "so that the losses of all epochs can be compared"


def test_parts_of_a_batch_change_batch_norms_only() -> None:
    in_parts, whole = method(micro_batch=3), method()
    for made in (in_parts, whole):
        for norm in made.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.eval()
        made.embedder.training = made.keys.training = True
    losses = []
    for made in (in_parts, whole):
        (step,) = made.steps(batch())
        step.loss.backward()
        losses.append(step.loss.detach())
    torch.testing.assert_close(losses[0], losses[1])
    for a, b in zip(in_parts.embedder.parameters(), whole.embedder.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-3)


def test_validation_changes_nothing() -> None:
    made = method().eval()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with torch.no_grad():
        result = made.validate(batch())
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    assert result["weight"].item() == 8
    assert result["loss"].item() > 0


def test_a_transformer_is_refused() -> None:
    with pytest.raises(BadInput, match="--network vit"):
        Dense(build_encoder("vit", SIZE), "vit", DenseOptions(), images=4)


def test_the_exported_encoder_is_that_of_the_queries() -> None:
    made = method()
    assert made.encoder is made.embedder.encoder.encoder
    names = set(build_encoder("resnet10", SIZE).state_dict())
    assert set(made.encoder.state_dict()) == names


class PowerCut(Exception):
    """Ends a run in the middle of an epoch."""


class Source(TaskSource):
    """Breaks off before a batch of the second epoch."""

    cut = False

    def batches(self, plans: Any, epoch: int, start: int = 0, *, training: bool = True) -> Iterator[Batch]:
        for number, made in enumerate(super().batches(plans, epoch, start, training=training), start=start):
            if self.cut and epoch == 1 and number == 1:
                raise PowerCut
            yield made


RUN = TrainingSettings(epochs=3, lr=0.02, precision="fp32", seed=3, checkpoint_steps=1)


def run(folder: Path, cut: bool = False, resume: bool = False, change: Callable[[Dense], None] | None = None) -> Dense:
    seen = samples((1, 32, 32))
    task = build_task("dense", "", seen, TaskOptions(seed=3, epochs=3, batch_size=8))
    source = Source(task, Loader(seen, Augmentation(crop=(0.6, 1.0)), 3, CPU))
    source.cut = cut
    seed_everything(3)
    made = method((1, 32, 32), stride=16, warmup_steps=5, momentum=0.9)
    if change is not None:
        change(made)
    train(made, source, RUN, folder, device=CPU, resume=resume)
    return made


def ends_alike(folder: Path, change: Callable[[Dense], None] | None = None) -> bool:
    """Whether a run that breaks off and resumes ends like an unbroken one."""
    unbroken = run(folder / "unbroken", change=change)
    with pytest.raises(PowerCut):
        run(folder / "resumed", cut=True, change=change)
    resumed = run(folder / "resumed", resume=True, change=change)
    pairs = zip(unbroken.state_dict().items(), resumed.state_dict().values(), strict=True)
    return all(torch.equal(expected, found) for (_, expected), found in pairs)


def test_a_resumed_run_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    assert ends_alike(tmp_path)
    text = (tmp_path / "unbroken" / "metrics.csv").read_text()
    assert "matched_cells" in text
    assert "nan" not in text


def test_a_checkpoint_without_the_keys_is_noticed(tmp_path: Path) -> None:
    """The twin: when the keys are not in the checkpoint, the run ends elsewhere."""

    def forgetful(made: Dense) -> None:
        hidden = (made.keys,)
        del made.keys
        object.__setattr__(made, "keys", hidden[0])

    assert not ends_alike(tmp_path, forgetful)
