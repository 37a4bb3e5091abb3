"""Does pretraining by GFR give features that tell the GFR of patients who were never seen?

Simulates a transplant cohort, trains an encoder with `--variable gfr` and one with `--method simclr` for each seed
(which draws the split, the weights and the pairs), and probes both, and the raw pixels, for GFR. Rows are exams: the
features of an exam's sequences stand side by side. Two probes are reported: one fitted on the encoder's training
patients, and one fitted and scored within the held-out patients by cross-validation, since an encoder that was taught
by GFR over-fits the GFR of its own training patients. The first is the one that decides. Nothing was tuned on the
held-out patients; both methods have the same network, schedule and number of encoder passes. Scores pool the held-out
patients of all seeds; intervals are by patient.

Usage: python examples/benchmarks/transplant_gfr.py --out FOLDER [--patients 200] [--seeds 0 1 2] [--epochs 16]

FOLDER keeps the study and the runs: a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold

from medcl.evaluation.bootstrap import bootstrap, bootstrap_difference
from medcl.evaluation.held_out import predict_held_out
from medcl.evaluation.probe import fit_probe
from medcl.evaluation.scores import r2
from medcl.imaging.store import VolumeStore
from medcl.study.cohort import read_cohort
from medcl.study.folder import Study
from medcl.study.runs import read_run
from medcl.workflows.embed import EmbedOptions, embed
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.pretrain import PretrainOptions, pretrain
from medcl.workflows.simulate import SimulateOptions, simulate

METHODS = {"variable": {"variable": "gfr"}, "simclr": {"method": "simclr"}}
PIXEL_COMPONENTS = 256
INNER_FOLDS = 5


@dataclass(frozen=True)
class Predictions:
    """Held-out rows of one kind of features: truth, prediction and patient, all seeds one below the other."""

    truth: np.ndarray
    predicted: np.ndarray
    patients: np.ndarray


def main() -> None:
    """Run what is not there yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the study, the runs and the results")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--cohort-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=21, help="steps of an epoch")
    parser.add_argument("--batch-size", type=int, default=48, help="images of a step that pass the encoder")
    parser.add_argument("--network", default="resnet10")
    parser.add_argument("--sequences", nargs="+", default=["tubular"], help="one volume an exam, as in the paper")
    words = parser.parse_args()
    started = time.monotonic()
    study = make_study(words)
    probes: dict[str, dict[str, list[Predictions]]] = {"training patients": {}, "held-out patients": {}}
    for seed in words.seeds:
        for method in METHODS:
            table = features(study, method, seed, words)
            add(probes, method, table)
        add(probes, "pixels", pixels(study, table))
    report = results(probes)
    report["setting"] = vars(words) | {"out": str(words.out.name), "date": str(date.today())}
    report["setting"] |= {"machine": platform.machine(), "seconds": round(time.monotonic() - started)}
    (words.out / "transplant_gfr.json").write_text(json.dumps(report, indent=2))
    print(as_table(report))


def make_study(words: argparse.Namespace) -> Study:
    """Simulate and preprocess the cohort, unless it is there."""
    root = words.out / "study"
    if not root.exists():
        simulate(SimulateOptions(directory=root, patients=words.patients, seed=words.cohort_seed))
        cohort = pd.read_csv(root / "cohort.csv", dtype=str, keep_default_na=False)
        cohort[cohort["sequence"].isin(words.sequences)].to_csv(root / "cohort.csv", index=False)
    study = Study(root.absolute())
    if not study.preprocessed().exists():
        preprocess(PreprocessOptions.resolve({"study": study.root}))
    return study


def features(study: Study, method: str, seed: int, words: argparse.Namespace) -> pd.DataFrame:
    """The features of one encoder, trained unless it is there: one row an exam."""
    name = f"{method}-seed{seed}"
    options = {
        "study": study.root,
        "name": name,
        "network": words.network,
        "epochs": words.epochs,
        "seed": seed,
        "precision": "fp32",  # as the published table was made, on any machine
        "pairs": "in-batch",
        "steps_per_epoch": words.steps,
        # both methods pass as many images through the encoder: simclr makes two views of each
        "batch_size": words.batch_size if method == "variable" else words.batch_size // 2,
        "pairs_per_epoch": words.steps * words.batch_size // 2,
    }
    there = (study.runs / name / "run.json").exists()
    if not there or read_run(study.runs / name).status != "finished":
        pretrain(PretrainOptions(**options, **METHODS[method], resume=there))
    file = study.features / f"{name}.csv"
    if not file.exists():
        embed(EmbedOptions(study=study.root, run=name))
    table = pd.read_csv(file, dtype={"patient": str})
    return by_exam(study, table, [column for column in table if column[0] == "f" and column[1:].isdigit()])


def pixels(study: Study, split_from: pd.DataFrame) -> pd.DataFrame:
    """Principal components of the stored voxels, fitted on the training rows, with the split of `split_from`."""
    store = VolumeStore.open(study.preprocessed())
    splits = dict(zip(split_from["patient"], split_from["split"], strict=True))
    entries = list(store.entries)
    voxels = np.stack([store.read(entry).reshape(-1) for entry in entries])
    training = np.array([splits[entry.patient] == "train" for entry in entries])
    components = min(PIXEL_COMPONENTS, int(training.sum()) - 1)
    reduced = PCA(components, svd_solver="randomized", random_state=0).fit(voxels[training]).transform(voxels)
    names = [f"f{place}" for place in range(components)]
    table = pd.DataFrame(reduced, columns=names)
    for name in ("patient", "exam", "sequence"):
        table[name] = [getattr(entry, name) for entry in entries]
    table["split"] = table["patient"].map(splits)
    return by_exam(study, table, names)


def by_exam(study: Study, table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Put an exam's sequences side by side, with the exam's GFR; exams that lack a sequence are left out."""
    keys = ["patient", "exam", "split"]
    wide = table.pivot_table(index=keys, columns="sequence", values=names)
    wide = wide.dropna()
    wide.columns = [f"{sequence}_{name}" for name, sequence in wide.columns]
    wide = wide.copy().reset_index()
    cohort = read_cohort(study.cohort_file, need_images=False)
    gfr = cohort.frame[["case", "patient", "exam"]].assign(
        gfr=lambda frame: frame["case"].map(cohort.variable("gfr").values)
    )
    return wide.merge(gfr.groupby(["patient", "exam"], as_index=False)["gfr"].mean(), on=["patient", "exam"])


def add(probes: dict[str, dict[str, list[Predictions]]], name: str, table: pd.DataFrame) -> None:
    """Probe one table both ways and keep the predictions of its held-out rows."""
    matrix = table.drop(columns=["patient", "exam", "split", "gfr"]).to_numpy(float)
    gfr, patients, splits = (table[column].to_numpy() for column in ("gfr", "patient", "split"))
    held = predict_held_out(matrix, gfr, patients, splits)
    probes["training patients"].setdefault(name, []).append(Predictions(held.truth, held.predicted, held.patients))
    rows = np.flatnonzero((splits == "test") & ~np.isnan(gfr))
    predicted = np.full(len(rows), np.nan)
    for fit, score in GroupKFold(INNER_FOLDS, shuffle=True, random_state=0).split(rows, groups=patients[rows]):
        probe = fit_probe(matrix[rows[fit]], gfr[rows[fit]], patients[rows[fit]])
        predicted[score] = probe.predict(matrix[rows[score]])
    nested = Predictions(gfr[rows], predicted, patients[rows])
    probes["held-out patients"].setdefault(name, []).append(nested)


def results(probes: dict[str, dict[str, list[Predictions]]]) -> dict[str, object]:
    """R2 of each kind of features and the paired differences, with intervals by patient."""
    report: dict[str, object] = {}
    for fitted_on, kinds in probes.items():
        joined = {name: join(parts) for name, parts in kinds.items()}
        scores = {}
        for name, rows in joined.items():
            interval = bootstrap(r2, rows.truth, rows.predicted, rows.patients)
            seeds = [round(r2(part.truth, part.predicted), 3) for part in kinds[name]]
            scores[name] = {"r2": interval.value, "low": interval.low, "high": interval.high, "seeds": seeds}
        differences = {}
        for other in ("simclr", "pixels"):
            first, second = joined["variable"], joined[other]
            assert np.array_equal(first.truth, second.truth)
            assert np.array_equal(first.patients, second.patients)
            gain = bootstrap_difference(r2, first.truth, first.predicted, second.predicted, first.patients)
            differences[f"variable - {other}"] = {"r2": gain.value, "low": gain.low, "high": gain.high}
        patients = len(set(joined["variable"].patients))
        report[fitted_on] = {"scores": scores, "differences": differences, "held_out_patients": patients}
    return report


def join(parts: list[Predictions]) -> Predictions:
    """The rows of all seeds one below the other."""
    return Predictions(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("truth", "predicted", "patients"))
    )


def as_table(report: dict[str, object]) -> str:
    """The report as Markdown."""
    lines = ["| probe fitted on | features | R2 of GFR (95% interval) | by seed |", "|---|---|---|---|"]
    for fitted_on in ("training patients", "held-out patients"):
        part = report[fitted_on]
        assert isinstance(part, dict)
        for name, row in part["scores"].items():
            seeds = ", ".join(f"{value:.2f}" for value in row["seeds"])
            lines.append(
                f"| {fitted_on} | {name} | {row['r2']:.2f} ({row['low']:.2f} to {row['high']:.2f}) | {seeds} |"
            )
        for name, row in part["differences"].items():
            lines.append(f"| {fitted_on} | {name} | {row['r2']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}) | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
