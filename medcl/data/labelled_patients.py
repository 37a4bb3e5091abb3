"""Whose masks a segmentation learns from: labels count patients, never slices or exams.

The other training patients' masks are never looked at. Patients are drawn from the seed in a nested order: the choice
of 3 holds that of 1 with the same seed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcl.data.keyed import keyed_generator
from medcl.data.label_budget import LabelBudget
from medcl.data.samples import Samples
from medcl.study.errors import BadInput
from medcl.study.ids import match_ids
from medcl.study.names import reserved_name
from medcl.study.plural import counted
from medcl.study.problems import Problems
from medcl.study.table import read_table

SHOWN = 12
"""So many patients are named to the user; all of them stand in the run's record."""


@dataclass(frozen=True)
class LabelledPatients:
    """The training patients whose masks are used.

    Attributes:
        patients: their ids, ascending.
        notes: how they were chosen, for the user.
    """

    patients: tuple[str, ...]
    notes: tuple[str, ...]


def choose_labelled_patients(
    samples: Samples, asked: str | None = None, file: Path | None = None, *, seed: int = 0
) -> LabelledPatients:
    """Choose labelled patients among the training patients who have masks.

    Args:
        samples: the images.
        asked: "10%" of the training patients, or a number of them; None is everybody who has masks.
        file: a list of patients, instead.
        seed: of the draw.

    Raises:
        BadInput: nobody has a mask, more are asked for than there are, or the list names others than training
            patients with masks.
    """
    if asked is not None and file is not None:
        raise BadInput("--labeled and --labeled-patients exclude each other: both say who is labelled.")
    training = np.unique(samples.patients[samples.rows("train")]).tolist()
    masked = set(samples.patients[(samples.splits == "train") & samples.has_labels].tolist())
    if not masked:
        raise BadInput(
            f"none of the {counted(len(training), 'training patient')} has a mask: name their label maps in the "
            "column mask of cohort.csv and run `medcl preprocess` again."
        )
    if file is not None:
        return _listed(samples, Path(file), masked, len(training))
    candidates = sorted(masked)
    budget = LabelBudget.parse(asked) if asked is not None else LabelBudget("all", patients=len(candidates))
    wanted = budget.of(len(training))
    if wanted > len(candidates):
        share = f"{asked} of {len(training)}, {wanted}," if budget.percent is not None else str(wanted)
        raise BadInput(
            f"--labeled asks for {share} patients, but {len(candidates)} of the "
            f"{counted(len(training), 'training patient')} have masks: ask for {len(candidates)} or fewer, or "
            "preprocess with more masks."
        )
    order = keyed_generator(seed, "labelled patients").permutation(len(candidates))
    chosen = sorted(candidates[place] for place in order[:wanted])
    how = "all who have masks" if wanted == len(candidates) else f"drawn with seed {seed}"
    return LabelledPatients(tuple(chosen), (_told(chosen, len(training), how),))


def _listed(samples: Samples, file: Path, masked: Collection[str], training: int) -> LabelledPatients:
    """The patients of a list, as the images' patients are written."""
    problems = Problems(file)
    listed = _read_list(file, problems)
    parts = dict(zip(samples.patients.tolist(), samples.splits.tolist(), strict=True))
    match = match_ids(sorted(parts), listed)
    rows: dict[str, int] = {}
    for each, row in listed.items():
        patient = match.matched.get(each)
        if each in match.ambiguous:
            several = ", ".join(match.ambiguous[each])
            problems.add(f"'{each}' may be any of the patients {several}: write one of them", row=row, kind="ids")
        elif patient is None and each in match.unknown:
            problems.add(f"'{each}' is no patient of the preprocessed images", row=row, kind="unknown patients")
        elif patient is not None and parts[patient] != "train":
            problems.add(
                f"patient {patient} is in the {parts[patient]} part of the split, and only training patients may be "
                "labelled: take the row out, or give another --splits",
                row=row,
                kind="patients who do not train",
            )
        elif patient is not None and patient not in masked:
            problems.add(f"patient {patient} has no mask", row=row, kind="patients without masks")
        elif patient is not None:
            rows[patient] = row
    for patient, names in match.twice.items():
        problems.add(f"{' and '.join(names)} would both be patient {patient}: keep one", kind="ids")
    if not listed and not problems:
        problems.add("names no patient: write one id a line, or a table with the column patient")
    problems.raise_if_any()
    chosen = sorted(rows)
    notes = [_told(chosen, training, f"listed in {file}")]
    notes += [f"{file}: '{each}' is read as patient {patient}." for each, patient in match.respelled.items()]
    return LabelledPatients(tuple(chosen), tuple(notes))


def _read_list(file: Path, problems: Problems) -> dict[str, int]:
    """Each id of a list with its row: the column patient of a table, or one id a line."""
    table = read_table(file, problems, recognise=lambda name: reserved_name(name) == "patient")
    names = [index for index, name in enumerate(table.header) if reserved_name(name) == "patient"]
    ids = [(row[names[0] if names else 0], line) for row, line in zip(table.rows, table.lines, strict=True)]
    if not names and len(table.header) == 1:
        ids.insert(0, (table.header[0], table.header_line))
    elif not names and table.header:
        there = ", ".join(f"'{header}'" for header in table.header)
        problems.add(f"the column 'patient' is missing; the columns are {there}")
        return {}
    found: dict[str, int] = {}
    for each, line in ids:
        if each:
            found.setdefault(each, line)
    return found


def _told(chosen: Collection[str], training: int, how: str) -> str:
    shown = ", ".join(list(chosen)[:SHOWN]) + (", ..." if len(chosen) > SHOWN else "")
    return f"Labelled: {len(chosen)} of {counted(training, 'training patient')}, {how}: {shown}."
