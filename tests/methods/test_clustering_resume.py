"""Contrastive clustering through the real loop: a run that breaks off and resumes ends like an unbroken one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medcl.data.augment import Augmentation
from medcl.data.cluster_task import ClusterTask
from medcl.data.loader import Batch, Loader
from medcl.data.plan import BatchPlan
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.methods.clustering import Clustering, ClusteringOptions
from medcl.networks.clustering_network import build_clustering_network
from medcl.training.loop import train
from medcl.training.metrics import FILE, TIME_COLUMNS
from medcl.training.randomness import seed_everything
from medcl.training.result import TrainingResult
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from tests.methods.small_study import samples
from tests.methods.test_no_waiting import NoReading

SIZE = (1, 16, 16)
CPU = torch.device("cpu")
EPOCHS, SWITCH = 4, 2
SETTINGS = TrainingSettings(
    epochs=EPOCHS, optimizer="lars", lr=0.25, start_lr=0.01, end_lr=0.05, precision="fp32", seed=3, checkpoint_steps=1
)
CHANGE = "the images between the phases"


class PowerCut(Exception):
    """Ends a run."""


class Source(TaskSource):
    """Breaks off before a batch of an epoch, or in the middle of the images from which the prototypes come."""

    cut: tuple[int, int] | str | None = None
    shown = 0

    def batches(
        self, plans: Sequence[BatchPlan], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[Batch]:
        overview = len(plans) > 0 and plans[0].augment == "none"
        self.shown += overview
        for number, batch in enumerate(super().batches(plans, epoch, start, training=training), start=start):
            if (overview and self.cut == CHANGE and number) or (training and self.cut == (epoch, number)):
                raise PowerCut
            yield batch


def source(cut: tuple[int, int] | str | None = None) -> Source:
    seen = samples(SIZE)
    task = ClusterTask(seen, TaskOptions(seed=3, epochs=EPOCHS, batch_size=12))
    made = Source(task, Loader(seen, Augmentation(crop=(0.6, 1.0)), 3, CPU))
    made.cut = cut
    return made


def method(twin: type[Clustering] = Clustering, clusters: int | None = None) -> Clustering:
    seed_everything(3)
    options = ClusteringOptions(contrastive_epochs=SWITCH, clusters=clusters, most=6)
    return twin(build_clustering_network("conv3", SIZE, most=6), options, images=12)


def run(folder: Path, given: Source, twin: type[Clustering] = Clustering, **named: Any) -> Clustering:
    made = method(twin)
    train(made, given, SETTINGS, folder, device=CPU, **named)
    return made


def tensors(made: Clustering) -> dict[str, Tensor]:
    """All that a checkpoint keeps."""
    assert made.found is not None
    found = {"centres": torch.from_numpy(made.found.centres), "labels": torch.from_numpy(made.found.labels)}
    return {name: value for name, value in made.state_dict().items() if isinstance(value, Tensor)} | found


def alike(first: Clustering, second: Clustering) -> bool:
    pairs = zip(tensors(first).values(), tensors(second).values(), strict=True)
    return all(torch.equal(expected, found) for expected, found in pairs)


def numbers(folder: Path) -> list[list[str]]:
    """metrics.csv without its times."""
    lines = [line.split(",") for line in (folder / FILE).read_text().splitlines()]
    kept = [place for place, name in enumerate(lines[0]) if name not in TIME_COLUMNS]
    return [[line[place] for place in kept] for line in lines]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clustering, Path]:
    folder = tmp_path_factory.mktemp("unbroken clustering")
    return run(folder, source()), folder


@pytest.mark.parametrize(
    "cut", [(1, 1), (2, 0), CHANGE, (2, 1), (3, 0)], ids=["before", "at once after", "between", "in it", "in the last"]
)
def test_a_resumed_run_ends_like_an_unbroken_one(
    unbroken: tuple[Clustering, Path], tmp_path: Path, cut: tuple[int, int] | str
) -> None:
    with pytest.raises(PowerCut):
        run(tmp_path, source(cut))
    going_on = source()
    resumed = run(tmp_path, going_on, resume=True)
    assert alike(unbroken[0], resumed)
    assert numbers(unbroken[1]) == numbers(tmp_path)
    assert going_on.shown == (cut in [(1, 1), (2, 0), CHANGE]), "prototypes stand in the checkpoint"


class Forgetful(Clustering):
    """Its checkpoint does not tell that the prototypes were found."""

    def get_extra_state(self) -> dict[str, Any]:
        return {"found": None}


def test_a_checkpoint_without_the_prototypes_is_noticed(tmp_path: Path) -> None:
    """The twin: found anew in the middle of the second phase, they cost another look at all images."""
    with pytest.raises(PowerCut):
        run(tmp_path, source((2, 1)), Forgetful)
    again = source()
    run(tmp_path, again, Forgetful, resume=True)
    assert again.shown == 1


def test_both_phases_write_their_numbers(unbroken: tuple[Clustering, Path]) -> None:
    made, folder = unbroken
    header, *rows = numbers(folder)
    training = [dict(zip(header, row, strict=True)) for row in rows if row[2] == "train"]
    validation = [dict(zip(header, row, strict=True)) for row in rows if row[2] == "val"]
    for phase, name in ((training[:SWITCH], "contrastive"), (training[SWITCH:], "largest_cluster")):
        assert all(float(row[name]) > 0 and float(row["reconstruction"]) > 0 for row in phase)
    assert all(row["contrastive"] == "" and row["loss"] == row["reconstruction"] for row in training[SWITCH:])
    assert "collapse_distance" not in header, "12 images a batch: reconstruction could hide it"
    assert len(validation) == EPOCHS
    assert "nan" not in (folder / FILE).read_text()
    assert made.found is not None
    assert len(made.found.labels) == 24, "training images only"
    assert made.network.head.clusters == len(made.found.centres)


def told(folder: Path, clusters: int | None) -> tuple[TrainingResult, list[str]]:
    from medcl.training.report import SilentReport

    class Listening(SilentReport):
        def message(self, text: str) -> None:
            heard.append(text)

    heard: list[str] = []
    return train(method(clusters=clusters), source(), SETTINGS, folder, Listening(), device=CPU), heard


def test_the_user_is_told_what_was_found(tmp_path: Path) -> None:
    _, heard = told(tmp_path, 3)
    (sizes,) = [text for text in heard if text.startswith("KMeans finds")]
    assert sizes.startswith("KMeans finds 3 clusters (as asked) in 24 training images")


def test_a_run_ends_with_the_last_epochs_weights(tmp_path: Path) -> None:
    result, _ = told(tmp_path, 3)
    assert result.keeps_last
    assert result.best_epoch == EPOCHS


def test_mixed_precision_goes_through_both_phases(tmp_path: Path) -> None:
    made = method()
    settings = TrainingSettings(epochs=EPOCHS, precision="bf16", seed=3)
    train(made, source(), settings, tmp_path, device=CPU)
    assert made.found is not None
    assert np.isfinite(made.found.centres).all()
    assert "nan" not in (tmp_path / FILE).read_text()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lars"])
def test_every_optimizer_goes_through_both_phases(tmp_path: Path, optimizer: str) -> None:
    """The condition's first gradient comes when the others have momentum: torch's fused SGD fails on a mixed group."""
    made = method(clusters=3)
    start = [weight.clone() for weight in made.network.decoder.condition.parameters()]
    settings = TrainingSettings(epochs=EPOCHS, optimizer=optimizer, lr=0.001, precision="fp32", seed=3)
    train(made, source(), settings, tmp_path, device=CPU)
    pairs = zip(start, made.network.decoder.condition.parameters(), strict=True)
    assert not any(torch.equal(before, after) for before, after in pairs)


@pytest.mark.parametrize("phase", [1, 2])
def test_a_step_reads_nothing(phase: int) -> None:
    """On a GPU every reading would make the host wait."""
    made, given = method(clusters=3), source()
    runner = StepRunner(made, SETTINGS, CPU)
    if phase == 2:
        made.begin_epoch(SWITCH, lambda: given.batches(given.overview(), 0, training=False))
    made.train()
    for index, batch in enumerate(list(given.batches(given.epoch(0), 0))):
        with NoReading():
            runner.run(batch, 0, index, 2, index)
    assert runner.sums.means()["loss"] > 0


def test_augmentation_changes_the_views_of_both_phases(tmp_path: Path) -> None:
    losses: list[list[str]] = []
    makers: list[Callable[[], Augmentation | None]] = [lambda: None, Augmentation]
    for number, maker in enumerate(makers):
        given = source()
        given.loader.augmentation = maker()
        run(tmp_path / str(number), given)
        header, *rows = numbers(tmp_path / str(number))
        losses.append([row[header.index("reconstruction")] for row in rows if row[2] == "train"])
    assert all(plain != augmented for plain, augmented in zip(*losses, strict=True))
