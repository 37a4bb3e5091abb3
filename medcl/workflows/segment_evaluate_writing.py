"""What `medcl segment evaluate` writes: metrics.csv, metrics.json and the page evaluation.html."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl import __version__
from medcl.study.exams import natural_key
from medcl.study.files import write_json, write_text
from medcl.study.label_classes import LabelClass, classes_to_json
from medcl.study.segmentations import METRICS_FILE, PAGE_FILE, SUMMARY_FILE

if TYPE_CHECKING:
    from medcl.evaluation.segmentation_summary import ClassSummary
    from medcl.figures.segmentation.case import ScoredCase
    from medcl.figures.segmentation.tables import SummaryRow
    from medcl.workflows.segment_evaluate_cases import Compared, Pair
    from medcl.workflows.segment_evaluate_jobs import Measured


PAGE_METRICS = ("dice", "assd_mm", "hd95_mm", "hd_mm")
"""Of the page's summary; metrics.json has all."""

_NAMES = ("case", "patient", "exam", "sequence", "split")


@dataclass(frozen=True)
class Evaluation:
    """Everything that was found, for the three files.

    Attributes:
        compared: what was compared.
        split: whose cases, "" for folders.
        classes: that were scored.
        measured: of each pair of `compared`.
        summary: of each class and of the mean over them.
        seed: of the bootstrap.
    """

    compared: Compared
    split: str
    classes: list[LabelClass]
    measured: list[Measured]
    summary: list[ClassSummary]
    seed: int

    @property
    def patients(self) -> list[str]:
        """Of each pair; a case of an unknown patient is one of its own."""
        return [patient_of(pair) for pair in self.compared.pairs]


def patient_of(pair: Pair) -> str:
    """Who is drawn in the bootstrap."""
    return pair.patient or pair.case


def write_evaluation(folder: Path, found: Evaluation, *, no_ids: bool, page: bool) -> None:
    """Write the files; an older page goes where none is wanted.

    Raises:
        RunFailed: the disk is full or cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / METRICS_FILE, metrics_csv(found))
    write_json(folder / SUMMARY_FILE, summary_json(found))
    (folder / PAGE_FILE).unlink(missing_ok=True)
    if page:
        write_text(folder / PAGE_FILE, evaluation_page(found, no_ids))


def metrics_csv(found: Evaluation) -> str:
    """A row for each case and class; a cell is empty where the metric is undefined."""
    from medcl.evaluation.segmentation import METRICS

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    counts = ("truth_voxels", "prediction_voxels", "truth_ml", "prediction_ml")
    writer.writerow([*_NAMES, "class", "value", *METRICS, *counts, "empty"])
    for pair, measured in zip(found.compared.pairs, found.measured, strict=True):
        for kind, score in zip(found.classes, measured.scores, strict=True):
            values = [f"{value:.6g}" if value == value else "" for value in score.values.values()]
            voxels = (score.truth_voxels, score.prediction_voxels)
            volumes = [f"{count * score.voxel_ml:.6g}" for count in voxels]
            names = [getattr(pair, name) for name in _NAMES]
            writer.writerow([*names, kind.name, kind.value, *values, *voxels, *volumes, score.empty])
    return text.getvalue()


def summary_json(found: Evaluation) -> dict[str, Any]:
    """Means, spreads and intervals of every metric, counts of empty masks, and how they were made."""
    from medcl.evaluation.bootstrap import DRAWS, LEVEL

    compared = found.compared
    return {
        "medcl": __version__,
        "segmentations": compared.name,
        "segmentations_written": compared.card.get("written"),
        "run": compared.card.get("run"),
        "split": found.split or None,
        "cases": len(compared.pairs),
        "patients": len(set(found.patients)),
        "notes": compared.notes,
        "interval": {"of": "mean", "drawn": "patients", "level": LEVEL, "draws": DRAWS, "seed": found.seed},
        "classes": classes_to_json(found.classes),
        "results": [
            {
                "class": each.name,
                "value": each.value,
                "cases": each.cases,
                "empty": {"truth": each.truth_empty, "prediction": each.prediction_empty, "both": each.both_empty},
                "metrics": {name: asdict(spread) for name, spread in each.spreads.items()},
            }
            for each in found.summary
        ],
    }


def evaluation_page(found: Evaluation, no_ids: bool) -> str:
    """The page as HTML."""
    from medcl.evaluation.bootstrap import DRAWS
    from medcl.evaluation.segmentation import METRICS
    from medcl.figures.segmentation.case import DrawnClass
    from medcl.figures.segmentation.page import segmentation_page

    compared = found.compared
    about = {metric.title: metric.about for metric in METRICS.values() if metric.unit != "voxels"}
    run = {"Run": str(compared.card["run"])} if compared.card.get("run") else {}
    split = {"Split": found.split} if found.split else {}
    made = {"Segmentations": compared.name, **run, **split}
    several = len(set(found.patients)) > 1
    drawn = {"Intervals": f"{DRAWS:,} bootstrap draws of patients, seed {found.seed}"} if several else {}
    scored = ", ".join(f"{each.value} = {each.name}" for each in found.classes)
    return segmentation_page(
        _cases(found, no_ids),
        [DrawnClass(each.name, each.colour) for each in found.classes],
        summary_rows(found.summary),
        titles={name: _title(name) for name in PAGE_METRICS},
        people=len(set(found.patients)),
        about=about,
        head=made,
        facts={
            **made,
            "Classes (label value = name)": scored,
            **drawn,
            "Numbers": f"{METRICS_FILE} (each case and class, in mm and voxels) and {SUMMARY_FILE}, beside this page",
        },
        said=compared.notes,
    )


def summary_rows(summary: Sequence[ClassSummary]) -> list[SummaryRow]:
    """The summary as the page and the terminal show it."""
    from medcl.figures.segmentation.tables import SummaryCell, SummaryRow

    return [
        SummaryRow(
            each.name,
            each.cases,
            {
                name: SummaryCell(spread.mean, spread.deviation, spread.median, spread.low, spread.high)
                for name, spread in each.spreads.items()
            },
            empty_in_words(each),
        )
        for each in summary
    ]


def empty_in_words(found: ClassSummary) -> str:
    """How many masks have no voxel of a class, "" where all have some."""
    counts = {
        "not in the prediction": found.prediction_empty,
        "not in the truth": found.truth_empty,
        "in neither (left out)": found.both_empty,
    }
    return ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)


def _title(name: str) -> str:
    from medcl.evaluation.segmentation import METRICS

    metric = METRICS[name]
    return f"{metric.title} {metric.unit}".strip()


def _cases(found: Evaluation, no_ids: bool) -> list[ScoredCase]:
    from medcl.evaluation.segmentation_summary import over_classes
    from medcl.figures.segmentation.case import ScoredCase, ScoredClass

    return [
        ScoredCase(
            name,
            pair.split,
            tuple(
                ScoredClass(
                    score.values,
                    score.truth_voxels * score.voxel_ml,
                    score.prediction_voxels * score.voxel_ml,
                    score.empty,
                )
                for score in measured.scores
            ),
            over_classes(measured.scores),
            measured.views,
            measured.remark,
        )
        for name, pair, measured in zip(case_names(found, no_ids), found.compared.pairs, found.measured, strict=True)
    ]


def case_names(found: Evaluation, no_ids: bool) -> list[str]:
    """How the page calls each case: patient, exam and sequence; patients are numbered where it has no ids."""
    people = sorted(set(found.patients), key=natural_key)
    called = {patient: f"Patient {number}" if no_ids else patient for number, patient in enumerate(people, 1)}
    names = [
        " · ".join(part for part in (called[patient_of(pair)], pair.exam, pair.sequence) if part)
        for pair in found.compared.pairs
    ]
    twice = {name for name, count in Counter(names).items() if count > 1}
    seen: Counter[str] = Counter()
    for place, (name, pair) in enumerate(zip(names, found.compared.pairs, strict=True)):
        if name in twice:
            seen[name] += 1
            names[place] = f"{name} ({seen[name] if no_ids else pair.case})"
    return names
