"""assignments.csv: which cluster each image belongs to, and how clearly."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.study.files import write_text

if TYPE_CHECKING:
    from medcl.data.samples import Samples
    from medcl.evaluation.assign import Assigned

ASSIGNMENTS = "assignments.csv"
DIGITS = 6
"""Of the numbers in the table."""


def write_assignments(folder: Path, samples: Samples, found: Assigned) -> Path:
    """Write one row an image (of slices, one a slice), whole or not at all; return the file.

    Columns: case, patient, exam, sequence, slice (of slices only), split, cluster (from 1), p1, p2, ... (soft
    assignment), distance (to the own prototype) and error (mean squared error of the reconstruction).
    """
    sliced = samples.slices is not None
    names = ["case", "patient", "exam", "sequence", *(["slice"] if sliced else []), "split", "cluster"]
    names += [f"p{number + 1}" for number in range(found.soft.shape[1])] + ["distance", "error"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(_rows(samples, found))
    write_text(folder / ASSIGNMENTS, text.getvalue())
    return folder / ASSIGNMENTS


def _rows(samples: Samples, found: Assigned) -> Iterator[list[Any]]:
    clusters = found.clusters
    for place, row in enumerate(found.rows):
        slices = [] if samples.slices is None else [int(samples.slices[row])]
        yield [
            samples.cases[row],
            samples.patients[row],
            samples.exams[row],
            samples.sequences[row],
            *slices,
            samples.splits[row],
            int(clusters[place]) + 1,
            *(f"{value:.{DIGITS}g}" for value in found.soft[place]),
            f"{found.distance[place]:.{DIGITS}g}",
            f"{found.error[place]:.{DIGITS}g}",
        ]
