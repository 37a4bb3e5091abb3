"""A run of `medcl cluster train` that breaks off, wherever it does, and is resumed, ends like the unbroken one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medcl.study.errors import BadInput, RunFailed
from medcl.study.folder import Study
from medcl.training import loop
from medcl.training.interrupt import Interrupted
from medcl.workflows import cluster_run
from medcl.workflows.cluster_train import ClusterTrainOptions, cluster_train
from tests.workflows.cluster_study import mark_stopped, npz_study, numbers, quick, write_npz

Shapes = tuple[Study, Path, Path]

FILES = (
    *("clustering.safetensors", "encoder.safetensors", "projection.safetensors"),
    *("assignments.csv", "strata.csv", "stability.json", "splits.csv"),
)
ASKED = {"in the first phase": 4, "at the change of phases": 6, "in the second phase": 7, "in the last epoch": 10}
"""The loop asks three times an epoch, after each of two steps and at the end, whether it is to stop."""


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    study, file = npz_study(tmp_path_factory.mktemp("resume") / "study")
    run = cluster_train(quick(study, npz=file, name="unbroken")).run
    assert run is not None
    return study, file, run.path


def broken(shapes: Shapes, name: str, asked: int, **changed: Any) -> Path:
    """A run that is stopped when the loop asks for the `asked`-th time."""
    study, file, _ = shapes
    answers = iter([False] * (asked - 1) + [True])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "any_rank", lambda flag: next(answers))
        with pytest.raises(Interrupted):
            cluster_train(quick(study, npz=file, name=name, **changed))
    assert next(answers, "spent") == "spent"
    mark_stopped(study.runs / name)
    return study.runs / name


def resume(shapes: Shapes, **given: Any) -> Path:
    done = cluster_train(ClusterTrainOptions(study=shapes[0].root, resume=True, **given))
    assert done.run is not None
    assert done.run.status == "finished"
    return done.run.path


def assert_same(found: Path, expected: Path) -> None:
    for name in FILES:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    assert numbers(found) == numbers(expected)
    pictures = {str(file.relative_to(expected)): file.read_bytes() for file in expected.glob("*/*.png")}
    assert {str(file.relative_to(found)): file.read_bytes() for file in found.glob("*/*.png")} == pictures


@pytest.mark.parametrize("where", ASKED)
def test_a_resumed_run_is_the_unbroken_one(shapes: Shapes, where: str) -> None:
    name = where.replace(" ", "-")
    run = broken(shapes, name, ASKED[where])
    assert not (run / "clustering.safetensors").exists()
    assert resume(shapes, name=name, workers=2) == run
    assert_same(run, shapes[2])


def test_without_a_name_the_newest_unfinished_run_goes_on(shapes: Shapes) -> None:
    run = broken(shapes, "newest", 3)
    assert resume(shapes) == run


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"temperature": 0.3}, "--temperature: 0.5 in the run, 0.3 now"),
        ({"clusters": 4}, "--clusters: 3 in the run, 4 now"),
        ({"assign": "euclidean"}, "--assign: cosine in the run, euclidean now"),
        ({"pictures": 3}, "--pictures: 2 in the run, 3 now"),
    ],
)
def test_a_changed_option_is_refused(shapes: Shapes, changed: dict[str, Any], told: str) -> None:
    run = shapes[0].runs / "changed"
    if not run.exists():
        broken(shapes, "changed", 2)
    with pytest.raises(BadInput, match=told):
        resume(shapes, name="changed", **changed)


def test_changed_images_are_refused(tmp_path: Path) -> None:
    study, file = npz_study(tmp_path / "study")
    shapes = study, file, tmp_path
    broken(shapes, "before", 2)
    write_npz(file, first=100)
    with pytest.raises(BadInput, match="the images changed since before was started"):
        resume(shapes, name="before")


@pytest.mark.parametrize("failure", [RunFailed("the disk is full"), RuntimeError("a bug")], ids=["told", "a bug"])
def test_a_run_whose_writing_failed_goes_on_with_it(shapes: Shapes, failure: Exception) -> None:
    """The training itself is over: it is not done again."""
    study, file, unbroken = shapes
    name = type(failure).__name__

    def failing(*_: object) -> None:
        raise failure

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_run, "write_outcome", failing)
        with pytest.raises(type(failure)):
            cluster_train(quick(study, npz=file, name=name))
    run = study.runs / name
    if isinstance(failure, RunFailed):
        assert json.loads((run / "run.json").read_text())["status"] == "failed"
    else:
        mark_stopped(run)
    trained = (run / "metrics.csv").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "run_epoch", None)  # would fail
        assert resume(shapes, name=name) == run
    assert (run / "metrics.csv").read_bytes() == trained
    assert_same(run, unbroken)


def test_a_finished_run_is_not_resumed(shapes: Shapes) -> None:
    with pytest.raises(BadInput, match="--resume: the run unbroken is finished"):
        resume(shapes, name="unbroken")


def test_a_name_that_is_taken_is_refused_and_replaced_when_asked(shapes: Shapes) -> None:
    study, file, _ = shapes
    first = cluster_train(quick(study, npz=file, name="taken", stability=0, pictures=0))
    with pytest.raises(BadInput, match=r"taken exists\. Continue it with --resume, replace it with --overwrite"):
        cluster_train(quick(study, npz=file, name="taken"))
    again = cluster_train(quick(study, npz=file, name="taken", overwrite=True, clusters=2, stability=0, pictures=0))
    assert first.run is not None
    assert again.run is not None
    assert again.run.path == first.run.path
    assert len(again.sizes) == 2
    assert not (again.run.path / "prototypes" / "cluster-3.png").exists()


def test_a_run_that_replaced_another_can_be_resumed(shapes: Shapes) -> None:
    broken(shapes, "replaced", 2)
    run = broken(shapes, "replaced", 5, overwrite=True)
    assert resume(shapes, name="replaced") == run
    assert_same(run, shapes[2])
