"""A study with simulated tables of features: one knows the target, one nothing, one its training patients by heart."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medcl.evaluation.feature_table import FeatureWriter, write_card
from medcl.workflows.evaluate import Evaluated, EvaluateOptions, evaluate

PATIENTS, EXAMS = 40, ("D15", "M12")
SPLITS = ["train"] * 18 + ["val"] * 2 + ["test"] * 20
GFR = 50 + 15 * np.random.default_rng(0).normal(size=PATIENTS)
QUICK: dict[str, Any] = {"bootstrap": 40, "permutations": 0, "baselines": "mean", "page": False}

HEAD = (
    "patient,exam,sequence,image,site,gfr [mL/min/1.73m2],age,sex,rejection,grade,binary,constant,empty,failure,"
    "failure_days [days],stage"
)


def write_study(root: Path, sequences: Sequence[str] = ("water",)) -> Path:
    """cohort.csv and features/{knows,nothing,heart}.csv."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [HEAD]
    generator = np.random.default_rng(1)
    for patient in range(PATIENTS):
        age, failed = 40 + patient % 20 + GFR[patient] / 10, "yes" if GFR[patient] < 50 else "no"
        for exam in EXAMS:
            for sequence in sequences:
                gfr = GFR[patient] + (2 if exam == "M12" else 0)
                values = [f"{gfr:.3f}", f"{age:.2f}", "mf"[patient % 2], "yes" if gfr > 52 else "no", patient % 4]
                values += [int(gfr > 50), 3, "", failed, f"{100 + 20 * GFR[patient]:.1f}", "abc"[int(patient % 3)]]
                row = [f"P{patient:02d}", exam, sequence, f"i{patient}{exam}{sequence}.nii.gz", "NS"[patient % 2]]
                lines.append(",".join(map(str, row + values)))
    (root / "cohort.csv").write_text("\n".join(lines) + "\n")
    noise = generator.normal(size=(PATIENTS, 4))
    write_table(root, "knows", np.column_stack([GFR + noise[:, 0], noise[:, 1:]]), sequences=sequences)
    write_table(root, "nothing", noise, sequences=sequences)
    known = np.where(np.array(SPLITS) == "train", GFR, 50 + 15 * noise[:, 0])
    write_table(root, "heart", np.column_stack([known, noise[:, 1:]]), variable="gfr", sequences=sequences)
    return root


def write_table(
    root: Path,
    name: str,
    features: np.ndarray,
    *,
    splits: Sequence[str] = SPLITS,
    variable: str = "",
    sequences: Sequence[str] = ("water",),
    folds: Sequence[Sequence[str]] = (),
) -> Path:
    """A table with a row for each patient, exam and sequence: the patient's features, by one encoder or by each fold.

    Args:
        folds: the splits of each fold; features of fold k are those of the first times -2 to the power k.
    """
    path = root / "features" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = FeatureWriter(file, features.shape[1], folds=bool(folds))
        for number, split in enumerate(folds or [splits]):
            for patient in range(PATIENTS):
                for exam in EXAMS:
                    for place, sequence in enumerate(sequences):
                        row = [f"P{patient:02d}", exam, sequence, split[patient], *([str(number + 1)] if folds else [])]
                        writer.add([row], (features[patient : patient + 1] + 3.0 * place) * (-2.0) ** number)
    write_card(path, {"run": f"run-{name}", "variable": variable, "layer": "encoder", "preprocessed": "default"})
    return path


def score(study: Path, **options: Any) -> Evaluated:
    """`medcl evaluate`, quickly."""
    given = {"study": study, "target": "gfr", "overwrite": True, **QUICK, **options}
    return evaluate(EvaluateOptions.resolve({name: value for name, value in given.items() if value is not None}))


def lines(done: Evaluated, name: str = "scores.csv") -> list[dict[str, str]]:
    """A table that was written."""
    with (done.folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def value(done: Evaluated, features: str, side: str = "training patients", score: str = "r2", **more: str) -> float:
    """One number of scores.csv; there must be one such line."""
    wanted = {"features": features, "fitted_on": side, "score": score, **more}
    found = [line for line in lines(done) if wanted.items() <= line.items()]
    assert len(found) == 1, found
    return float(found[0]["value"])
