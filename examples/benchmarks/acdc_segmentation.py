"""Does dense pretraining help a segmentation that learns from one, three or seven labelled patients?

ACDC (100 patients, end-diastole and end-systole, three classes; Bernard et al., IEEE TMI 2018), split by patient 70 /
10 / 20 as the stored set has it. Rows of the table: labelled patients alone (one decoder); two decoders that teach each
other, from scratch; the same from a densely pretrained encoder (IDEAL); the improved recipe (positives by geometry, no
ramp-up); and, for three patients, the paper's own loss and each change by itself, an EMA teacher and copy-paste too.
Each with several draws of the labelled patients, equal steps, and the epoch of the best validation Dice. Pretraining
and the unlabelled part use all 70 training patients' images, no test image and no mask.

    python examples/benchmarks/acdc_segmentation.py --data FOLDER --out FOLDER [--quick]         trains
    python examples/benchmarks/acdc_segmentation.py --data FOLDER --out FOLDER [--quick] --test  scores

The first command trains what is not there yet and goes on where it was stopped; it looks at training and validation
patients only. The second, run once at the end, applies each run to the 20 test patients: 3D Dice per volume on the
stored grid. The set has no voxel spacing, so no distance in millimetres is reported.

--quick is for two CPU cores: a smaller grid, a smaller network and few steps. It shows whether the methods come in the
published order, not the published numbers. --try-out runs 20 steps of the full recipe in two pieces and scores nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from medcl.study.folder import Study
from medcl.study.runs import read_run
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.pretrain import PretrainOptions, pretrain
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.segment_evaluate import SegmentEvaluateOptions, segment_evaluate
from medcl.workflows.segment_train import SegmentTrainOptions, segment_train

DENSE: dict[str, dict[str, Any]] = {
    "dense-feature": {"dense_positives": "feature", "dense_warmup": 4},
    "dense-geometric": {"dense_positives": "geometric"},
}
"""The encoders: positives by features, after a start by geometry, and by geometry alone."""

FEATURE, GEOMETRIC = {"init_from": "dense-feature"}, {"init_from": "dense-geometric"}
PAPER: dict[str, Any] = {"loss": "ce", "consistency_weight": 1.0, "ramp_up": 0.0}

METHODS: dict[str, dict[str, Any]] = {
    "supervised": {"method": "supervised"},
    "two decoders": {},
    "IDEAL": FEATURE,
    "improved": {**GEOMETRIC, "ramp_up": 0.0},
}
"""The rows of every number of labelled patients; loss and weights are medcl's defaults.

`improved` joins the changes that helped one by one on validation patients of the quick size.
"""

STEPS: dict[str, dict[str, Any]] = {
    "IDEAL, the paper's loss and weight": {**FEATURE, **PAPER},
    "IDEAL, cross-entropy alone": {**FEATURE, "loss": "ce"},
    "IDEAL, no ramp-up": {**FEATURE, "ramp_up": 0.0},
    "IDEAL, positives by geometry": GEOMETRIC,
    "IDEAL, EMA teacher": {**FEATURE, "teacher": 0.99},
    "IDEAL, copy-paste": {**FEATURE, "mix": "copy-paste"},
}
"""What each change does by itself, for `STEPS_LABELLED` patients."""

STEPS_LABELLED = 3


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        grid: pixels of a side of a slice.
        network: the encoder.
        labelled: numbers of labelled patients.
        draws: of the labelled patients.
        pretrain: epochs of dense pretraining.
        epochs, steps, batch: of each segmentation.
        encoder_lr: learning rate of an encoder that is pretrained; None is medcl's, a tenth of the decoders'.
    """

    grid: int
    network: str
    labelled: tuple[int, ...]
    draws: tuple[int, ...]
    pretrain: int
    epochs: int
    steps: int
    batch: int
    encoder_lr: float | None = None


FULL = Scale(192, "resnet50", (1, 2, 3, 7, 8, 70), (0, 1, 2), 200, 200, 60, 24)
QUICK = Scale(48, "resnet10", (1, 3, 7), (0, 1, 2), 20, 4, 120, 8, encoder_lr=1e-3)
"""Of so few steps a tenth of the rate leaves the encoder behind (seen on validation patients)."""


def main() -> None:
    """Train what is missing, or score what is trained and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with acdc_192.npz and acdc_clinical.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the study, its runs and the table")
    parser.add_argument("--quick", action="store_true", help="the size for two CPU cores")
    parser.add_argument("--test", action="store_true", help="score the test patients; the last command")
    parser.add_argument("--try-out", action="store_true", help="20 steps of the full recipe, stopped and resumed")
    parser.add_argument("--labelled", type=int, nargs="+", help="only these numbers of labelled patients")
    words = parser.parse_args()
    scale = QUICK if words.quick else FULL
    study = make_study(words.data, words.out, scale)
    if words.try_out:
        try_out(study, scale)
        return
    cases = [case for case in every_case(scale) if not words.labelled or case[1] in words.labelled]
    if words.test:
        report(study, scale, words.out, [case for case in cases if is_done(study, run_name(*case))], words.quick)
        return
    for name in DENSE:
        pretrain_densely(study, scale, name)
    for case in cases:
        train_one(study, scale, *case)


def make_study(data: Path, out: Path, scale: Scale) -> Study:
    """The study folder with its slices."""
    root = out / "study"
    if not root.exists():
        script = Path(__file__).parents[1] / "acdc" / "make_study.py"
        subprocess.run([sys.executable, str(script), "--data", str(data), str(root)], check=True)
    side = scale.grid
    # the assumed pixels differ from patient to patient, so half the grid is twice a common spacing
    spacing = None if side == 192 else (3.0, 3.0)
    preprocess(
        PreprocessOptions(
            study=root,
            name=f"slices-{side}",
            slices="axial",
            slice_size=(side, side),
            slice_spacing=spacing,
            intensity="percentile",
            quality=False,
        )
    )
    return Study(root)


def every_case(scale: Scale) -> Iterator[tuple[str, int, int]]:
    """(method, labelled patients, draw), the first draw of everything first."""
    for draw in scale.draws:
        for labelled in scale.labelled:
            for method in METHODS:
                yield method, labelled, draw
        for method in STEPS:
            yield method, STEPS_LABELLED, draw


def run_name(method: str, labelled: int, draw: int) -> str:
    """The run of a case."""
    return f"{re.sub(r'[^A-Za-z]+', '-', method)}-{labelled}-draw{draw}"


def is_done(study: Study, name: str) -> bool:
    """Whether a run is finished."""
    folder = study.runs / name
    return (folder / "run.json").is_file() and read_run(folder).status == "finished"


def pretrain_densely(study: Study, scale: Scale, name: str) -> None:
    """One encoder for all rows that start from it; of images of the training patients alone."""
    if is_done(study, name):
        return
    if (study.runs / name / "run.json").is_file():
        pretrain(PretrainOptions(study=study.root, name=name, resume=True))
        return
    pretrain(dense_options(study, scale, name))


def dense_options(study: Study, scale: Scale, name: str, **changed: Any) -> PretrainOptions:
    """How an encoder is pretrained."""
    told: dict[str, Any] = {
        "study": study.root,
        "name": name,
        "method": "dense",
        "network": scale.network,
        "preprocessed": f"slices-{scale.grid}",
        "epochs": scale.pretrain,
        "seed": 0,
        "optimizer": "adamw",
        "lr": 1e-3,
        "dense_stride": 32 if scale.grid >= 192 else 16,
    }
    return PretrainOptions(**{**told, **DENSE.get(name, {}), **changed})


def train_one(study: Study, scale: Scale, method: str, labelled: int, draw: int) -> None:
    """One segmentation, or nothing when it is there."""
    name = run_name(method, labelled, draw)
    if is_done(study, name):
        return
    if (study.runs / name / "run.json").is_file():
        segment_train(SegmentTrainOptions(study=study.root, name=name, resume=True))
        return
    segment_train(segmentation_options(study, scale, method, labelled, draw))


def segmentation_options(
    study: Study, scale: Scale, method: str, labelled: int, draw: int, **changed: Any
) -> SegmentTrainOptions:
    """How a row is trained: all rows alike but for what makes the method."""
    told = dict({**METHODS, **STEPS}[method])
    if "init_from" in told:
        told = {**told, "init_from": study.runs / told["init_from"], "encoder_lr": scale.encoder_lr}
    options: dict[str, Any] = {
        "study": study.root,
        "name": run_name(method, labelled, draw),
        "preprocessed": f"slices-{scale.grid}",
        "network": scale.network,
        "labeled": str(labelled),
        "epochs": scale.epochs,
        "steps_per_epoch": scale.steps,
        "batch_size": scale.batch,
        "seed": draw,
    }
    return SegmentTrainOptions(**{**options, **told, **changed})


def try_out(study: Study, scale: Scale) -> None:
    """Twenty steps of dense pretraining and of the segmentation at full size, each stopped half-way and resumed."""
    for name in ("try-dense", "try-ideal"):
        shutil.rmtree(study.runs / name, ignore_errors=True)  # an earlier try-out would be stopped before it began
    dense = dense_options(study, scale, "try-dense", epochs=2, images_per_epoch=320)
    segment = segmentation_options(study, scale, "two decoders", 1, 0, name="try-ideal", epochs=2, steps_per_epoch=10)
    for work, first, resumed in (
        (pretrain, dense, PretrainOptions(study=study.root, name="try-dense", resume=True)),
        (segment_train, segment, SegmentTrainOptions(study=study.root, name="try-ideal", resume=True)),
    ):
        stopped = stop_after_an_epoch(work, first)
        began = time.monotonic()
        work(resumed)  # type: ignore[arg-type]
        print(f"{first.name}: {stopped}; the rest took {time.monotonic() - began:.0f} s")


def stop_after_an_epoch(work: Any, options: Any) -> str:
    """Run in a process of its own and stop it, as a scheduler does, when the first epoch is written down."""
    metrics = Study(options.study).runs / options.name / "metrics.csv"
    process = multiprocessing.get_context("spawn").Process(target=work, args=(options,))
    process.start()
    while process.is_alive() and not metrics.is_file():
        time.sleep(0.2)
    process.terminate()
    process.join()
    return f"stopped after its first epoch with exit status {process.exitcode}"


def report(study: Study, scale: Scale, out: Path, cases: list[tuple[str, int, int]], quick: bool) -> None:
    """Apply every finished run to the test patients, and write results.json and the table."""
    scores: dict[str, dict[int, list[float]]] = {method: {} for method in (*METHODS, *STEPS)}
    rows = []
    for method, labelled, draw in cases:
        dice = test_dice(study, run_name(method, labelled, draw))
        scores[method].setdefault(labelled, []).append(fmean(dice.values()))
        rows.append({"method": method, "labelled": labelled, "draw": draw, "dice": dice})
    machine = {"python": platform.python_version(), "machine": platform.machine(), "date": date.today().isoformat()}
    told = {"scale": asdict(scale), "quick": quick, "rows": rows, **machine}
    (out / "results.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(table(scores, scale))


def test_dice(study: Study, name: str) -> dict[str, float]:
    """Mean 3D Dice of each class over the test patients' volumes."""
    folder = study.segmentations / name
    if not (folder / "metrics.csv").is_file():
        segment_apply(SegmentApplyOptions(study=study.root, run=name, name=name, split="test", overwrite=True))
        segment_evaluate(
            SegmentEvaluateOptions(study=study.root, segmentations=name, split="test", page=False, overwrite=True)
        )
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    classes = dict.fromkeys(line["class"] for line in lines)
    return {
        each: fmean(float(line["dice"]) for line in lines if line["class"] == each and line["dice"]) for each in classes
    }


def table(scores: dict[str, dict[int, list[float]]], scale: Scale) -> str:
    """Mean and standard deviation over the draws of the mean Dice over classes and volumes."""
    head = "| method | " + " | ".join(f"{count} labelled" for count in scale.labelled) + " |"
    lines = [head, "|---" * (1 + len(scale.labelled)) + "|"]
    for method, found in scores.items():
        cells = [_cell(found.get(count, [])) for count in scale.labelled]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(draws: list[float]) -> str:
    if not draws:
        return "not measured"
    spread = f" ± {100 * stdev(draws):.1f}" if len(draws) > 1 else ""
    return f"{100 * fmean(draws):.1f}{spread} ({len(draws)})"


if __name__ == "__main__":
    main()
