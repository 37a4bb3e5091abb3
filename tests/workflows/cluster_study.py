"""Small things to cluster: a MedMNIST-style file of three kinds of shapes, and studies of volumes or of slices."""

from __future__ import annotations

import csv
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medcl.study.folder import Study
from medcl.workflows.cluster_train import ClusterTrainOptions
from medcl.workflows.preprocess import PreprocessOptions, preprocess

KINDS = ("disc", "cross", "frame")
PARTS = {"train": 24, "val": 6, "test": 6}
VOLUME, PLANE = (8, 16, 16), (16, 16)
PATIENTS = 10
SPLIT = {8: "val", 9: "test"}

QUICK: dict[str, Any] = {
    "clusters": 3,
    "epochs": 4,
    "batch_size": 12,
    "maps": ["pca"],
    "stability": 2,
    "pictures": 2,
    "precision": "fp32",
    "device": "cpu",
    "workers": 1,
}
"""Options of a training of a moment: two epochs of two steps in each phase."""


def quick(study: Study | Path, **changed: Any) -> ClusterTrainOptions:
    """Options of a quick training in a study."""
    root = study if isinstance(study, Path) else study.root
    return ClusterTrainOptions(**{"study": root, **QUICK, **changed})


def shape(kind: int, seed: int, side: int = 16) -> NDArray[np.float32]:
    """A bright disc, cross or frame of another place and brightness for each seed, (side, side) in [0, 1]."""
    generator = np.random.default_rng([seed, kind])
    y, x = np.mgrid[:side, :side] - (side / 2 - 0.5 + generator.uniform(-1, 1, (2, 1, 1)))
    reach = 0.3 * side
    inside = (
        np.hypot(y, x) < reach,
        np.minimum(abs(y), abs(x)) < side / 14,
        abs(np.maximum(abs(y), abs(x)) - reach) < side / 16,
    )[kind]
    image = 0.15 + generator.uniform(0.5, 0.7) * inside + generator.normal(0, 0.02, inside.shape)
    return np.asarray(image.clip(0, 1), np.float32)


def write_npz(file: Path, first: int = 0, side: int = 16, **changed: NDArray[Any] | None) -> Path:
    """Write images and labels of three parts, each with as many of every kind.

    Args:
        file: to write.
        first: seed of the first image; other seeds give other images.
        side: of an image.
        changed: arrays in place of those of their names; None leaves one out.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for part, count in PARTS.items():
        kinds = np.arange(count) % len(KINDS)
        images = np.stack([shape(int(kind), first + number, side) for number, kind in enumerate(kinds)])
        arrays[f"{part}_images"] = np.rint(images * 255).astype(np.uint8)
        arrays[f"{part}_labels"] = kinds[:, None].astype(np.uint8)
        first += count
    kept = {name: array for name, array in (arrays | changed).items() if array is not None}
    np.savez(file, **kept)
    return file


def npz_study(root: Path) -> tuple[Study, Path]:
    """A study without a cohort, beside which the file of images lies, and that file."""
    root.mkdir(parents=True)
    (root / "medcl.toml").write_text("")
    return Study(root), write_npz(root / "shapes.npz")


def volume_study(root: Path, *, sliced: bool = False) -> Study:
    """A study of ten patients with two exams each, preprocessed as volumes, or as the slices of them.

    Columns: gfr (unknown for P003), site, and note, the same word for all.
    """
    (root / "images").mkdir(parents=True)
    rows = [["patient", "exam", "image", "split", "gfr [mL/min]", "site", "note"]]
    for number in range(PATIENTS):
        for place, exam in enumerate(("D15", "M3")):
            name = f"P{number:03d}_{exam}.nii.gz"
            plane = shape(number % 3, 2 * number + place)
            depth = np.linspace(0.6, 1.0, 8)[:, None, None]
            voxels = (900 * plane * depth + 20 * place).astype(np.float32)
            image = nibabel.Nifti1Image(voxels.T, np.diag([2.0, 2.0, 3.0, 1.0]))
            image.to_filename(root / "images" / name)
            gfr = "" if number == 3 else f"{20 + 20 * (number % 3) + number + place:.1f}"
            split = SPLIT.get(number, "train")
            rows.append([f"P{number:03d}", exam, f"images/{name}", split, gfr, "ab"[number % 2], "same"])
    with (root / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (root / "medcl.toml").write_text("")
    given: dict[str, Any] = {"slices": "acquired", "slice_size": PLANE} if sliced else {"size": VOLUME}
    preprocess(PreprocessOptions(study=root, workers=1, quality=False, **given))
    return Study(root)


def table(file: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def read_png(file: Path) -> NDArray[np.uint8]:
    """A grey picture (H, W) that medcl wrote: its rows are not filtered."""
    data = file.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(data[start:]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


def numbers(run: Path) -> list[list[str]]:
    """metrics.csv without its times."""
    from medcl.training.metrics import TIME_COLUMNS

    lines = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    kept = [place for place, name in enumerate(lines[0]) if name not in TIME_COLUMNS]
    return [[line[place] for place in kept] for line in lines]


def mark_stopped(run: Path) -> None:
    """Note that a run was stopped: the process that wrote its record is that of the tests, which lives."""
    record = run / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "stopped"}))
