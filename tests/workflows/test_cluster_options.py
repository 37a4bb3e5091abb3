"""Every option of `medcl cluster train` changes the data or the losses; what does not fit is refused at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.training.runner import StepRunner
from medcl.workflows.cluster_train import ClusterTrainOptions, cluster_train
from medcl.workflows.cluster_training import MadeClustering, build, prepare
from tests.workflows.cluster_study import PARTS, npz_study, quick, shape, table, volume_study, write_npz


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    return npz_study(tmp_path_factory.mktemp("options") / "study")


def asked(shapes: tuple[Study, Path], **changed: Any) -> ClusterTrainOptions:
    return quick(shapes[0], **{"npz": shapes[1], **changed})


def made(shapes: tuple[Study, Path], **changed: Any) -> MadeClustering:
    options = asked(shapes, **changed)
    return build(prepare(shapes[0], options), options)


def views(found: MadeClustering) -> torch.Tensor:
    """The first training batch."""
    return next(iter(found.source.batches(found.source.epoch(0), 0))).volumes


def losses(found: MadeClustering, options: ClusterTrainOptions) -> tuple[float, float]:
    """The mean losses of two epochs: the very first one, and then at once the first one of the second phase."""
    runner = StepRunner(found.method, options.settings(), torch.device("cpu"))
    told = []
    for epoch in (0, options.first_phase):
        found.method.begin_epoch(epoch, lambda: found.source.batches(found.source.overview(), 0, training=False))
        found.method.train()
        plans = found.source.epoch(epoch)
        for index, batch in enumerate(found.source.batches(plans, epoch)):
            runner.run(batch, epoch, index, len(plans), index)
        told.append(float(runner.sums.means()["loss"]))
        runner.sums.clear()
    return told[0], told[1]


# --- what the views are --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"probability": 1.0},
        {"rotation": 90.0},
        {"mirror": False},
        {"crop": (0.3, 0.5)},
        {"blur": 3.0},
        {"noise": 0.3},
        {"gamma": 1.0},
        {"brightness": 0.3},
        {"contrast_change": 0.5},
        {"seed": 1},
        {"batch_size": 8},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_option_changes_the_views(shapes: tuple[Study, Path], changed: dict[str, Any]) -> None:
    usual, other = views(made(shapes)), views(made(shapes, **changed))
    assert usual.shape != other.shape or not torch.equal(usual, other)
    assert torch.equal(usual, views(made(shapes))), "the twin: the same options give the same views"


def test_without_probability_images_are_as_stored(shapes: tuple[Study, Path]) -> None:
    found = views(made(shapes, probability=0))
    assert torch.equal(found[0::2], found[1::2])
    stored = np.load(shapes[1])["train_images"] / np.float32(255)
    assert {image.tobytes() for image in found[0::2, 0, 0].numpy().astype(np.float16)} <= {
        image.tobytes() for image in stored.astype(np.float16)
    }


def test_the_usual_views_are_those_of_the_paper(shapes: tuple[Study, Path]) -> None:
    from medcl.data.augmentation import CLUSTER_VIEWS

    found, expected = made(shapes), made(shapes)
    expected.source.loader.augmentation = CLUSTER_VIEWS
    assert torch.equal(views(found), views(expected))
    expected.source.loader.augmentation = replace(CLUSTER_VIEWS, blur_sigma=0.9)
    assert not torch.equal(views(found), views(expected))


@pytest.mark.parametrize("name", ["cache", "workers"])
def test_how_images_are_read_changes_nothing(shapes: tuple[Study, Path], name: str) -> None:
    """Kept images are float16, as stored volumes are."""
    changed = {"cache": "off"} if name == "cache" else {"workers": 3}
    torch.testing.assert_close(views(made(shapes)), views(made(shapes, **changed)), atol=2e-3, rtol=0)


# --- what the losses are -------------------------------------------------------------------------------------------

FIRST, SECOND = "first phase", "second phase"


@pytest.mark.parametrize(
    ("changed", "phases"),
    [
        ({"network": "resnet10"}, {FIRST, SECOND}),
        ({"contrast": "decoupled"}, {FIRST, SECOND}),
        ({"temperature": 0.1}, {FIRST, SECOND}),
        ({"reconstruction_weight": 1.0}, {FIRST, SECOND}),
        ({"optimizer": "adam", "lr": 1e-3}, {FIRST, SECOND}),
        ({"lr": 0.01}, {FIRST, SECOND}),
        ({"start_lr": 0.2}, {FIRST, SECOND}),
        ({"warmup_epochs": 2.0}, {SECOND}),
        ({"weight_decay": 0.1}, {FIRST, SECOND}),
        ({"momentum": 0.5}, {SECOND}),
        ({"schedule": "constant"}, {SECOND}),
        ({"clip": 0.01, "optimizer": "sgd", "lr": 0.01}, {FIRST, SECOND}),
        ({"end_lr": 0.2}, {SECOND}),
        ({"epochs": 8, "contrastive_epochs": 2}, {SECOND}),
        ({"contrastive_epochs": 3}, {SECOND}),
        ({"clusters": 4}, {SECOND}),
        ({"clusters": "auto", "most": 6}, {SECOND}),
        ({"assign": "euclidean"}, {SECOND}),
        ({"assignment_temperature": 0.01}, {SECOND}),
        ({"grouping": "mixture", "clusters": 2}, {SECOND}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_option_changes_the_losses(
    shapes: tuple[Study, Path], usual: tuple[float, float], changed: dict[str, Any], phases: set[str]
) -> None:
    options = asked(shapes, **changed)
    found = losses(build(prepare(shapes[0], options), options), options)
    other = {phase for phase, now, before in zip((FIRST, SECOND), found, usual, strict=True) if now != before}
    assert phases <= other
    assert np.isfinite(found).all()


@pytest.fixture(scope="module")
def usual(shapes: tuple[Study, Path]) -> tuple[float, float]:
    options = asked(shapes)
    found = [losses(build(prepare(shapes[0], options), options), options) for _ in range(2)]
    assert found[0] == found[1], "the same options give the same losses"
    return found[0]


def test_the_rates_are_the_papers_unless_told() -> None:
    settings = ClusterTrainOptions().settings()
    assert (settings.optimizer, settings.lr, settings.warmup) == ("lars", 0.25, 10.0)
    assert (settings.start_lr, settings.end_lr, settings.clip) == (0.01, 0.05, None)
    assert (ClusterTrainOptions().first_phase, settings.epochs) == (50, 100)
    short = ClusterTrainOptions(epochs=20, lr=1.0, start_lr=0.5, end_lr=0.0, warmup_epochs=1.0).settings()
    assert (short.warmup, short.start_lr, short.end_lr) == (1.0, 0.5, 0.0)
    assert ClusterTrainOptions(epochs=20).settings().warmup == 2.0


# --- what is written -----------------------------------------------------------------------------------------------


def test_options_of_the_output(shapes: tuple[Study, Path]) -> None:
    import json

    changed = {"stability": 6, "pictures": 4, "class_names": "a,b,c", "maps": ["pca", "tsne"], "name": "output"}
    run = cluster_train(asked(shapes, **changed)).run
    assert run is not None
    told = json.loads((run.path / "stability.json").read_text())
    assert (len(told["bootstrap"]["values"]), len(told["seeds"]["values"])) == (6, 3)
    assert len(list((run.path / "reconstructions").iterdir())) == 4
    assert {row["class"] for row in table(run.path / "strata.csv")} == {"a", "b", "c"}


def test_a_mixture_tells_that_its_stability_is_not_looked_at(shapes: tuple[Study, Path]) -> None:
    run = cluster_train(asked(shapes, grouping="mixture", clusters=2, name="mixture")).run
    assert run is not None
    assert not (run.path / "stability.json").exists()
    assert "How stable the clusters are is not looked at" in (run.path / "clusters.html").read_text()


def test_too_few_patients_for_the_stability_do_not_spoil_a_run(tmp_path: Path) -> None:
    study = volume_study(tmp_path / "study", sliced=True)
    lines = (study.root / "cohort.csv").read_text().splitlines()
    kept = [lines[0], *(line for line in lines[1:] if line[:4] in ("P000", "P008"))]
    (study.root / "cohort.csv").write_text("\n".join(kept) + "\n")
    done = cluster_train(quick(study, name="alone"))
    assert done.run is not None
    assert done.run.status == "finished"
    assert done.page is not None
    assert "needs rows of at least 2 patients" in done.page.read_text()


def test_an_empty_cluster_is_told(shapes: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A prototype that points away from all images: no image is nearest to it, and everybody is told so."""
    from medcl.methods import clustering

    real = clustering.find_prototypes

    def with_a_far_one(rows: NDArray[Any], *arguments: Any, **named: Any) -> Any:
        found = real(rows, *arguments, **named)
        found.centres[2] = -found.centres[0]
        return found

    monkeypatch.setattr(clustering, "find_prototypes", with_a_far_one)
    done = cluster_train(asked(shapes, name="empty", stability=0))
    assert done.sizes[2] == 0
    assert done.page is not None
    assert "No training image is nearest to the prototype of cluster 3 by --assign cosine" in done.page.read_text()


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"clusters": 1}, "--clusters: got 1"),
        ({"clusters": "many"}, "--clusters: got 'many', but a whole number of at least 2 or auto is expected"),
        ({"network": "resnet9"}, "--network is 'resnet9'; known are"),
        ({"contrastive_epochs": 4}, "--contrastive-epochs 4 of --epochs 4: the second phase needs one"),
        ({"init_from": Path("somewhere")}, "--init-from has no part here"),
        ({"overwrite": True}, "--overwrite replaces the run of --name"),
        ({"crop": (0.9, 0.5)}, r"--crop is 0.9 0.5; expected two numbers"),
        ({"start_lr": 0.5}, "start"),
        ({"maps": "tsne,circle"}, "--maps: got .*the maps are tsne, pca, umap"),
        ({"preprocessed": "default"}, "--npz and --preprocessed exclude each other"),
        ({"clinical": [Path("a.csv")]}, "--clinical goes with images of a study"),
        ({"stratify": "label"}, "--stratify and --leave-site go with images of a study"),
        ({"npz": None, "class_names": "a,b"}, "--class-names and --copies go with --npz"),
        ({"npz": None, "copies": "keep"}, "--class-names and --copies go with --npz"),
    ],
)
def test_options_that_do_not_fit(shapes: tuple[Study, Path], changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        asked(shapes, **changed)


def spoilt(folder: Path, **changed: NDArray[Any] | None) -> tuple[Study, Path]:
    study, file = npz_study(folder / "study")
    return study, write_npz(file, **changed)


def grey(count: int = PARTS["train"], side: int = 16) -> NDArray[np.uint8]:
    return np.stack([np.rint(255 * shape(n % 3, n, side)) for n in range(count)]).astype(np.uint8)


@pytest.mark.parametrize(
    ("arrays", "changed", "told"),
    [
        (
            {"train_images": np.tile(grey(2), (12, 1, 1))},
            {},
            "2 different images among 24 training images cannot make 3 clusters: .* fewer --clusters",
        ),
        (
            {"train_images": grey(3), "train_labels": np.arange(3)[:, None]},
            {"clusters": 4},
            "3 different images among 3 training images cannot make 4 clusters",
        ),
        (
            {"train_images": grey(9), "train_labels": np.arange(9)[:, None]},
            {"grouping": "mixture"},
            "--grouping mixture needs 10 training images or more, found 9",
        ),
        ({"train_images": np.full((24, 16, 16), 7, np.uint8)}, {}, "train_images: all 24 images are constant"),
        ({"train_labels": np.zeros((23, 1), np.uint8)}, {}, r"train_labels is \(23, 1\), but there are 24 images"),
        ({"val_images": grey(6, side=14)}, {}, "images differ in size between the parts .*: train_images 1 x 16 x 16"),
        (
            {"train_images": np.zeros((24, 16, 16, 3), np.uint8)},
            {},
            r"train_images are colour images \(24, 16, 16, 3\)",
        ),
        ({"train_images": None}, {}, "has no train_images"),
        ({}, {"class_names": "a,b"}, r"2 class names \(a, b\), but the labels are 3 numbers"),
    ],
    ids=["alike", "few", "few for a mixture", "constant", "labels", "sizes", "colour", "no images", "class names"],
)
def test_images_that_cannot_be_used(tmp_path: Path, arrays: dict[str, Any], changed: dict[str, Any], told: str) -> None:
    study, file = spoilt(tmp_path, **arrays)
    with pytest.raises(BadInput, match=told) as caught:
        cluster_train(quick(study, npz=file, **changed))
    assert len(caught.value.problems) == 1
    assert not study.runs.exists()


def test_a_file_that_is_not_there(shapes: tuple[Study, Path]) -> None:
    with pytest.raises(BadInput, match=r"gone\.npz: no such file"):
        cluster_train(asked(shapes, npz=Path("gone.npz")))


def test_constant_volumes_of_a_study(tmp_path: Path) -> None:
    from medcl.workflows.cluster_training import _refuse_poor_images

    study = volume_study(tmp_path / "study")
    samples = prepare(study, quick(study)).samples
    flat = [replace(entry, low=5.0, high=5.0) for entry in samples.entries]
    with pytest.raises(BadInput, match="All 16 training images are constant"):
        _refuse_poor_images(replace(samples, entries=flat), quick(study))
    _refuse_poor_images(replace(samples, entries=[samples.entries[0], *flat[1:]]), quick(study))


def test_a_study_that_is_not_preprocessed(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient,image\nP1,a.nii\nP2,b.nii\n")
    with pytest.raises(BadInput, match="medcl preprocess"):
        cluster_train(quick(tmp_path))


def test_a_dry_run_writes_nothing(shapes: tuple[Study, Path]) -> None:
    study = shapes[0]
    before = sorted(study.root.rglob("*"))
    done = cluster_train(asked(shapes, dry_run=True))
    assert done.forecast is not None
    assert done.run is None
    assert sorted(study.root.rglob("*")) == before


def test_values_without_effect_are_told(shapes: tuple[Study, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="medcl"):
        cluster_train(asked(shapes, most=9, optimizer="adam", momentum=0.5, dry_run=True))
    assert "Without effect in this run: --most, --momentum." in caplog.text
