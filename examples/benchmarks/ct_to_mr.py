"""Does a segmentation that learned from labelled CT find organs in MR, and what does translation add?

Abdomen (liver, two kidneys, spleen): 30 labelled CT and 16 MR whose masks are not looked at; test cases are the MR 1,
13, 32 and 38, as in the published tables. Rows: no adaptation (CT as it is); intensity augmentation alone, without any
generator; translation in two steps; the joint method of Zeng et al. (2023); each of medcl's changes by itself and all
that helped together; and the upper bound, the same network trained on the labelled MR. All rows: one segmentation
network, equal steps, equal geometry.

    python examples/benchmarks/ct_to_mr.py --data FOLDER --out FOLDER [--quick]          trains
    python examples/benchmarks/ct_to_mr.py --data FOLDER --out FOLDER [--quick] --val    scores the validation MR
    python examples/benchmarks/ct_to_mr.py --data FOLDER --out FOLDER [--quick] --test   scores the test MR

The first command trains what is not there yet and goes on where it was stopped. Scores: 3D Dice and average symmetric
surface distance per organ over all slices of a case, on the stored grid (192 x 192, CT windowed to 8 bits slice by
slice: not Hounsfield units, and not the published protocol). Recipes were chosen on the two validation MR; `--test` is
run once at the end.

--quick is for two CPU cores: smaller slices, smaller networks, fewer steps. It shows whether the methods come in the
expected order, not the published numbers. --try-out runs 20 steps of the full recipe in two pieces and scores nothing;
--speed counts slices per second beside a plain loop of the same networks.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from medcl.study.folder import Study
from medcl.study.runs import read_run
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.segment_evaluate import SegmentEvaluateOptions, segment_evaluate
from medcl.workflows.segment_train import SegmentTrainOptions, segment_train
from medcl.workflows.translate_train import TranslateTrainOptions, translate_train

SIDES: dict[str, Any] = {
    "source": "modality=ct",
    "target": "modality=mr",
    "source_preprocessed": "ct",
    "target_preprocessed": "mr",
}
GEOMETRY: dict[str, Any] = {"affine": 0.8, "rotation": 15.0, "scaling": 0.15, "elastic": 4.0}
"""Of every row."""

INTENSITY: dict[str, Any] = {"gamma": 0.3, "brightness": 0.1, "contrast": 0.2, "noise": 0.05, "curve": 0.3}
"""What stands in for a generator in the row without one."""

PLAIN: dict[str, Any] = {"gamma": 0.0, "brightness": 0.0, "contrast": 0.0, "noise": 0.0}
PAPER: dict[str, Any] = {"segment": True, "first_tap": "input"}
CHANGES: dict[str, dict[str, Any]] = {
    "stem tap": {"first_tap": "stem"},
    "organ-aware negatives": {"organ_negatives": True},
    "EMA": {"average": 0.99},
    "EMA and self-training": {"average": 0.99, "self_training": 0.1},
    "deep supervision": {"deep_supervision": 2},
    "the code's weights": {"nce_weight": 0.5, "identity_weight": 0.5},
    "detached": {"detach_translated": True},
}
IMPROVED: dict[str, Any] = {**PAPER, **CHANGES["organ-aware negatives"], **CHANGES["the code's weights"]}
"""What did not fall behind the paper's form on validation cases of the quick size (one seed each; others did)."""

JOINT: dict[str, dict[str, Any]] = {
    "joint (paper)": PAPER,
    **{f"joint, {name}": {**PAPER, **change} for name, change in CHANGES.items()},
    "joint improved": IMPROVED,
}
TRANSLATED: dict[str, dict[str, Any]] = {
    "no adaptation": {"translation": "none", **PLAIN},
    "augmentation only": {"translation": "none", **INTENSITY},
    "two steps": {},
}
UPPER = "upper bound"
METHODS = (*TRANSLATED, *JOINT, UPPER)
LARGEST = ", largest component"
"""Each organ's largest connected part alone."""

MAIN = ("no adaptation", "augmentation only", "two steps", "joint (paper)", "joint improved", UPPER)


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        grid: pixels of a side of a slice.
        spacing: of a pixel in mm.
        filters, blocks: of the generator; the discriminator has as many filters.
        widths: of the segmentation network.
        epochs, steps, batch: of every training.
        patches: positions that are contrasted, of each slice and map.
        seeds: one run each.
    """

    grid: int
    spacing: float
    filters: int
    blocks: int
    widths: tuple[int, ...]
    epochs: int
    steps: int
    batch: int
    patches: int
    seeds: tuple[int, ...] = (0, 1, 2)


FULL = Scale(256, 1.3, 64, 9, (32, 64, 128, 256, 512), 400, 400, 4, 256)
QUICK = Scale(64, 5.0, 16, 4, (16, 32, 64, 128), 10, 150, 2, 128)


def main() -> None:
    """Train what is missing, or score what is trained and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ct_btcv_192.npz and mr_chaos_t2_192.npz")
    parser.add_argument("--out", type=Path, required=True, help="folder for the study, its runs and the table")
    parser.add_argument("--quick", action="store_true", help="the size for two CPU cores")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, help="only these rows")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these seeds")
    parser.add_argument("--val", action="store_true", help="score the validation cases of the MR")
    parser.add_argument("--test", action="store_true", help="score the test cases of the MR; the last command")
    parser.add_argument("--try-out", action="store_true", help="20 steps of the full recipe, stopped and resumed")
    parser.add_argument("--speed", action="store_true", help="slices per second beside a plain loop")
    words = parser.parse_args()
    scale = QUICK if words.quick else FULL
    study = make_study(words.data, words.out, scale)
    if words.try_out:
        print(try_out(study, scale))
    elif words.speed:
        print(json.dumps(speed(study, scale), indent=1))
    elif words.val or words.test:
        report(study, scale, words.out, words.methods, "test" if words.test else "val", words.quick)
    else:
        for seed in words.seeds or scale.seeds:
            for method in words.methods:
                train_one(study, scale, method, seed)


def make_study(data: Path, out: Path, scale: Scale) -> Study:
    """The study folder with the slices of both modalities."""
    root = out / "study"
    if not root.exists():
        script = Path(__file__).parents[1] / "abdomen" / "make_study.py"
        subprocess.run([sys.executable, str(script), "--data", str(data), str(root)], check=True)
    for modality, intensity in (("ct", {"hu_window": (0.0, 255.0)}), ("mr", {"intensity": "percentile"})):
        preprocess(
            PreprocessOptions(
                study=root,
                name=modality,
                only=[f"modality={modality}"],
                slices="axial",
                slice_size=(scale.grid, scale.grid),
                slice_spacing=(scale.spacing, scale.spacing),
                quality=False,
                **intensity,  # type: ignore[arg-type]  # the window of all 8 bits leaves the stored values as they are
            )
        )
    return Study(root)


def run_name(method: str, seed: int) -> str:
    """The run of a row and a seed."""
    return "-".join(part for part in f"{method} seed {seed}".translate(str.maketrans("", "", "(),'")).split())


def train_one(study: Study, scale: Scale, method: str, seed: int, **changed: Any) -> None:
    """One row with one seed, or nothing when it is there; a stopped one goes on."""
    if method == "two steps":
        train(study, run_name("translation", seed), translate_train, translation(study, scale, seed, segment=False))
    if method in JOINT:
        options: Any = translation(study, scale, seed, **JOINT[method])
        train(study, run_name(method, seed), translate_train, options)
    else:
        train(study, run_name(method, seed), segment_train, segmentation(study, scale, method, seed))


def train(study: Study, name: str, work: Callable[[Any], Any], told: Callable[..., Any]) -> None:
    """Start, or go on with, or leave alone the run of a name."""
    folder = study.runs / name
    there = (folder / "run.json").is_file()
    if there and read_run(folder).status == "finished":
        return
    work(told(name=name, resume=True, only_name=True) if there else told(name=name))


def translation(study: Study, scale: Scale, seed: int, **told: Any) -> Callable[..., TranslateTrainOptions]:
    """How a generator is trained, alone or jointly."""

    def options(*, name: str, resume: bool = False, only_name: bool = False, **changed: Any) -> TranslateTrainOptions:
        if only_name:
            return TranslateTrainOptions(study=study.root, name=name, resume=resume)
        values: dict[str, Any] = {
            "study": study.root,
            "name": name,
            **SIDES,
            **GEOMETRY,
            "filters": scale.filters,
            "blocks": scale.blocks,
            "discriminator_filters": scale.filters,
            "patches": scale.patches,
            "epochs": scale.epochs,
            "steps_per_epoch": scale.steps,
            "batch_size": scale.batch,
            "seed": seed,
        }
        if told.get("segment"):
            values["widths"] = list(scale.widths)
        return TranslateTrainOptions(**{**values, **told, **changed})

    return options


def segmentation(study: Study, scale: Scale, method: str, seed: int) -> Callable[..., SegmentTrainOptions]:
    """How a row without a joint generator is trained."""

    def options(*, name: str, resume: bool = False, only_name: bool = False, **changed: Any) -> SegmentTrainOptions:
        if only_name:
            return SegmentTrainOptions(study=study.root, name=name, resume=resume)
        values: dict[str, Any] = {
            "study": study.root,
            "name": name,
            **GEOMETRY,
            "lr": 2e-4,
            "widths": list(scale.widths),
            "epochs": scale.epochs,
            "steps_per_epoch": scale.steps,
            "batch_size": scale.batch,
            "seed": seed,
        }
        if method == UPPER:
            values |= {"method": "supervised", "network": "unet", "preprocessed": "mr", **PLAIN}
        else:
            values |= {"method": "translated", **SIDES, **TRANSLATED[method]}
            if method == "two steps":
                values["translation"] = run_name("translation", seed)
        return SegmentTrainOptions(**{**values, **changed})

    return options


def report(study: Study, scale: Scale, out: Path, methods: list[str], split: str, quick: bool) -> None:
    """Apply every finished run to the cases of a split, and write results-SPLIT.json and the table."""
    rows = []
    for method in methods:
        for seed in scale.seeds:
            folder = study.runs / run_name(method, seed)
            if not (folder / "run.json").is_file() or read_run(folder).status != "finished":
                continue
            rows.append({"method": method, "seed": seed, "scores": scores(study, folder.name, split)})
            if method in MAIN:
                found = scores(study, folder.name, split, largest=True)
                rows.append({"method": method + LARGEST, "seed": seed, "scores": found})
    machine = {"python": platform.python_version(), "machine": platform.machine(), "date": date.today().isoformat()}
    told = {"scale": asdict(scale), "quick": quick, "split": split, "rows": rows, **machine}
    (out / f"results-{split}.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(table(rows, [*methods, *(method + LARGEST for method in methods if method in MAIN)]))


def scores(study: Study, run: str, split: Any, largest: bool = False) -> dict[str, dict[str, float]]:
    """Mean 3D Dice (in per cent) and surface distance (mm) of each organ over the cases of the MR."""
    name = f"{run}-{split}" + ("-largest" if largest else "")
    folder = study.segmentations / name
    if not (folder / "metrics.csv").is_file():
        # skip_bad: the upper bound knows nothing of the CT among the validation cases, and refuses them
        told: dict[str, Any] = {"run": run, "name": name, "split": split, "largest_component": largest}
        segment_apply(SegmentApplyOptions(study=study.root, **told, skip_bad=True, overwrite=True))
        segment_evaluate(
            SegmentEvaluateOptions(study=study.root, segmentations=name, split=split, page=False, overwrite=True)
        )
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    found: dict[str, dict[str, float]] = {}
    for organ in dict.fromkeys(line["class"] for line in lines):
        own = [line for line in lines if line["class"] == organ and line["patient"].startswith("mr")]
        found[organ] = {
            "dice": 100 * fmean(float(line["dice"]) for line in own if line["dice"]),
            "assd": fmean([float(line["assd_mm"]) for line in own if line["assd_mm"]] or [float("nan")]),
        }
    return found


def table(rows: list[dict[str, Any]], methods: list[str]) -> str:
    """Mean and standard deviation over the seeds, of each organ and of their mean."""
    organs = list(rows[0]["scores"]) if rows else []
    lines = ["| | " + " | ".join([*organs, "mean Dice", "mean ASSD [mm]"]) + " |", "|---" * (len(organs) + 3) + "|"]
    for method in methods:
        own = [row["scores"] for row in rows if row["method"] == method]
        dice = [[each[organ]["dice"] for each in own] for organ in organs]
        dice.append([fmean(each[organ]["dice"] for organ in organs) for each in own])
        apart = [fmean(each[organ]["assd"] for organ in organs) for each in own]
        lines.append(f"| {method} | " + " | ".join([*map(cell, dice), cell(apart)]) + " |")
    return "\n".join(lines)


def cell(values: list[float]) -> str:
    """A mean with its spread."""
    if not values:
        return "not measured"
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def try_out(study: Study, scale: Scale) -> str:
    """Twenty steps of the joint training at full size, stopped half-way and resumed."""
    name = "try-out"
    shutil.rmtree(study.runs / name, ignore_errors=True)  # an earlier try-out would be stopped before it began
    told = translation(study, scale, 0, **JOINT["joint improved"])
    first = told(name=name, epochs=2, steps_per_epoch=10, batch_size=1, splits=without_validation(study))
    began = time.monotonic()
    process = multiprocessing.get_context("spawn").Process(target=translate_train, args=(first,))
    process.start()
    while process.is_alive() and not (study.runs / name / "metrics.csv").is_file():
        time.sleep(0.2)
    process.terminate()
    process.join()
    between = time.monotonic()
    translate_train(told(name=name, resume=True, only_name=True))
    rest = time.monotonic() - between
    return (
        f"stopped after 10 steps with exit status {process.exitcode} ({between - began:.0f} s); the rest {rest:.0f} s"
    )


def without_validation(study: Study) -> Path:
    """A split without validation patients, whose slices would take longer than the steps that are tried."""
    with study.cohort_file.open(encoding="utf-8", newline="") as file:
        parts = {row["patient"]: "train" if row["split"] == "train" else "test" for row in csv.DictReader(file)}
    lines = ["patient,split", *(f"{patient},{part}" for patient, part in parts.items())]
    path = study.root / "without-validation.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def speed(study: Study, scale: Scale, steps: int = 12) -> dict[str, float]:
    """Source slices per second of the joint training, and of a plain loop of the same networks and losses."""
    from plain_translation import plain_steps

    from medcl.workflows.translation_training import build, prepare

    told = translation(study, scale, 0, **PAPER)(name="speed")
    prepared = prepare(study, told)
    made = build(prepared, told)
    ours = _rate(_our_steps(made, told, prepared.device), steps)
    plain = _rate(plain_steps(build(prepared, told)), steps)
    return {"medcl": ours * scale.batch, "plain": plain * scale.batch, "times": ours / plain}


def _rate(step: Callable[[], None], steps: int) -> float:
    """Steps per second, after three that are not counted."""
    for _ in range(3):
        step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return steps / (time.perf_counter() - began)


def _our_steps(made: Any, told: TranslateTrainOptions, device: Any) -> Callable[[], None]:
    """A step as medcl's loop makes it."""
    from medcl.training.runner import StepRunner

    runner = StepRunner(made.method, told.settings(), device)
    plans = made.source.epoch(0)
    batches = made.source.batches(plans, 0)
    done = iter(range(len(plans)))
    made.method.train()

    def step() -> None:
        place = next(done)
        runner.run(next(batches), 0, place, len(plans), place)
        runner.check()

    return step


if __name__ == "__main__":
    main()
