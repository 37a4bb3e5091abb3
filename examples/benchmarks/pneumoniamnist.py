"""What do clusters of unlabelled chest X-rays tell about pneumonia, and what do their pixels tell already?

PneumoniaMNIST (28 x 28; MedMNIST v2, Yang et al., Scientific Data 2023; Kermany et al., Cell 2018) with its official
split. Rows of the table: the paper's three ways of reading a clustering (Ferrante et al., 2023): clusters mapped to
classes by training labels, 5 nearest neighbours, a linear layer; each beside baselines of the raw pixels at the same
labels. Two recipes: the paper's (`faithful`) and ours (`improved`), each with several seeds.

    python examples/benchmarks/pneumoniamnist.py --data FOLDER --out FOLDER [--recipes faithful improved]

trains what is not there yet, scores it and writes results.json and the table. Ten images of the training part stand in
the validation part too; they are left out of training, and `--copies keep` shows what they change. `--digits` does the
same with scikit-learn's handwritten digits, a smoke test of the MNIST protocol (MNIST itself is not at hand);
`--speed` measures an epoch and what it would come to for a million images.

No choice is made by the test part: recipes were chosen on validation images.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from medcl.study.folder import Study
from medcl.study.runs import read_run
from medcl.workflows.cluster_evaluate import ClusterEvaluateOptions, cluster_evaluate
from medcl.workflows.cluster_train import ClusterTrainOptions, cluster_train

RECIPES: dict[str, dict[str, Any]] = {
    "faithful": {},
    "improved": {
        "clusters": 20,
        "optimizer": "adamw",
        "lr": 2e-3,
        "weight_decay": 1e-4,
        "warmup_epochs": 4.0,
        "batch_size": 256,
        "epochs": 50,
        "contrastive_epochs": 40,
        "brightness": 0.2,
        "contrast_change": 0.4,
        "gamma": 0.3,
        "crop": (0.5, 1.0),
    },
}
"""What each recipe changes of medcl's defaults, which are the paper's.

Chosen on validation images: what matters most are views that differ in intensity, without which clusters are those of
exposure.
"""

SEEDS = (0, 1, 2, 3, 4)
SHARE = 0.2
SCORES = ("accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "precision_weighted", "auc")
MILLION = 1_000_000

PAPER = {
    "map from clusters": {"val": 0.80, "test": 0.73},
    "5 nearest neighbours": {"val": 0.84, "test": 0.84},
    "linear layer": {"val": 0.84, "test": 0.84},
}
"""Accuracies of the paper's table 1 (its labels for the first two are not told; the third reads 20%)."""


def main() -> None:
    """Train what is missing, score it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with pneumoniamnist.npz")
    parser.add_argument("--out", type=Path, required=True, help="folder for the study, its runs and the table")
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--copies", choices=("leave-out", "keep"), default="leave-out")
    parser.add_argument("--digits", action="store_true", help="scikit-learn's digits instead of PneumoniaMNIST")
    parser.add_argument("--speed", action="store_true", help="time one epoch instead")
    words = parser.parse_args()
    study = make_study(words.out)
    file = digits(words.out) if words.digits else find(words.data)
    if words.speed:
        speed(study, file)
        return
    rows = []
    for seed in words.seeds:
        for recipe in words.recipes:
            rows += scored(study, file, recipe, seed, words.copies)
    told = {
        "rows": rows,
        "recipes": {name: RECIPES[name] for name in words.recipes},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "date": date.today().isoformat(),
    }
    (words.out / f"results-{file.stem}-{words.copies}.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(table(rows))
    if not words.digits:
        paper = [f"{method} {each['val']:.2f} / {each['test']:.2f}" for method, each in PAPER.items()]
        print("\nThe paper's accuracies, val / test: " + "; ".join(paper))


def make_study(out: Path) -> Study:
    """A study folder for the runs."""
    root = out / "study"
    root.mkdir(parents=True, exist_ok=True)
    (root / "medcl.toml").touch()
    return Study(root)


def find(data: Path | None) -> Path:
    """The file of the data."""
    if data is None or not (data / "pneumoniamnist.npz").is_file():
        raise SystemExit(f"--data {data}: expected a folder with pneumoniamnist.npz (MedMNIST's keys).")
    return data / "pneumoniamnist.npz"


def digits(out: Path) -> Path:
    """scikit-learn's 1,797 digits of 8 x 8, enlarged to 28 x 28, in MedMNIST's form."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    file = out / "digits.npz"
    if not file.is_file():
        found = load_digits()
        images = np.clip(zoom(found.images / 16, (1, 3.5, 3.5), order=1) * 255, 0, 255).astype(np.uint8)
        order = np.random.default_rng(0).permutation(len(images))
        parts = dict(zip(("train", "val", "test"), np.split(order, [1257, 1437]), strict=True))
        arrays = {f"{part}_images": images[rows] for part, rows in parts.items()}
        labels = {f"{part}_labels": found.target[rows, None].astype(np.uint8) for part, rows in parts.items()}
        np.savez(file, **arrays, **labels)
    return file


def scored(study: Study, file: Path, recipe: str, seed: int, copies: str) -> list[dict[str, Any]]:
    """Train one run where it is not there, evaluate it, and return its rows."""
    name = f"{file.stem}-{recipe}-{seed}" + ("-copies" if copies == "keep" else "")
    train(study, file, recipe, seed, copies, name)
    folder = study.clusters / name
    if not (folder / "evaluation.csv").is_file():
        cluster_evaluate(
            ClusterEvaluateOptions(
                study=study.root, run=name, share=SHARE, repeats=1, seed=seed, standardised=True, balanced=True
            )
        )
    with (folder / "evaluation.csv").open(encoding="utf-8", newline="") as text:
        return [{"recipe": recipe, "run_seed": seed, **line} for line in csv.DictReader(text)]


def train(study: Study, file: Path, recipe: str, seed: int, copies: str, name: str) -> None:
    """One training, gone on with where it was stopped."""
    folder = study.runs / name
    if (folder / "run.json").is_file():
        if read_run(folder).status != "finished":
            cluster_train(ClusterTrainOptions(study=study.root, name=name, resume=True))
        return
    options = {"study": study.root, "npz": file, "seed": seed, "name": name, "copies": copies, "maps": ["pca"]}
    cluster_train(ClusterTrainOptions(**{**options, **RECIPES[recipe]}))


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds of the runs; baselines of pixels once for each seed's labels."""
    lines = [
        "| recipe | method | from | labels | "
        + " | ".join(f"val {name}, test {name}" for name in ("acc.", "bal."))
        + " |",
        "|---" * 6 + "|",
    ]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        pixels = row["features"] not in ("clusters", "h", "z")
        recipe = "baseline" if pixels else row["recipe"]
        groups.setdefault((recipe, row["method"], row["features"], row["share"]), []).append(row)
    for (recipe, method, features, share), same in groups.items():
        cells = [
            ", ".join(_cell([float(row[score]) for row in same if row["split"] == split]) for split in ("val", "test"))
            for score in ("accuracy", "balanced_accuracy")
        ]
        lines.append(f"| {recipe} | {method} | {features} | {float(share):.0%} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "not measured"
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 and len(set(values)) > 1 else ""
    return f"{fmean(values):.3f}{spread}"


def speed(study: Study, file: Path) -> None:
    """Seconds of an epoch of each phase, the share spent waiting for data, and the same for a million images."""
    name = "speed"
    options = {"study": study.root, "npz": file, "name": name, "overwrite": True, "maps": ["pca"], "stability": 0}
    began = time.monotonic()
    done = cluster_train(ClusterTrainOptions(**options, epochs=6, contrastive_epochs=3, clusters=5))
    with (study.runs / name / "metrics.csv").open(encoding="utf-8", newline="") as text:
        epochs = [row for row in csv.DictReader(text) if row["split"] == "train"]
    assert done.result is not None
    images = done.result.images / 6 / 2
    for phase, part in (("contrastive", epochs[1:3]), ("reconstructing", epochs[4:])):
        seconds = fmean(float(row["seconds"]) for row in part)
        waiting = fmean(float(row["data_wait_share"]) for row in part)
        hours = seconds / images * MILLION / 3600
        print(
            f"{phase}: {seconds:.1f} s an epoch of {images:.0f} images (two views each), waiting for data "
            f"{waiting:.1%}; a million images: {hours:.2f} h an epoch"
        )
    print(f"whole command: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
