"""Pairs by a clinical variable (Milecki et al., MIDL 2022): alike values attract, different values repel.

Pairs are of different patients: two exams of one patient are alike for more reasons than the variable. A slice has the
value of its image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.data.curriculum import NEGATIVE, POSITIVE, UNUSED, Curriculum, Ints, Labels, require_patients
from medcl.data.differences import slack_of
from medcl.data.pair_space import PairSpace, close_pairs, far_pairs
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.thresholds import (
    AUTO_QUANTILES,
    PAPER_THRESHOLDS,
    Stage,
    auto_thresholds,
    parse_thresholds,
)
from medcl.study.errors import BadInput

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VariableRule:
    """Positive below one threshold of |dv|, negative from another on, only between patients.

    Attributes:
        stage: the thresholds.
        values, patients: of all samples.
        slack: differences below this are none.
        name: in words.
    """

    stage: Stage
    values: Floats
    patients: Ints
    slack: float
    name: str

    def positives(self, rows: Ints) -> PairSpace:
        """Return the pairs of different patients with |dv| < t_pos."""
        return close_pairs(rows, self.values[rows], self.patients[rows], self.stage.reach(self.slack))

    def negatives(self, rows: Ints) -> PairSpace:
        """Return the pairs of different patients with |dv| >= t_neg."""
        return far_pairs(rows, self.values[rows], self.patients[rows], self.stage.distance(self.slack))

    def label(self, rows: Ints) -> Labels:
        """Return (N, N) labels; -1 within a patient, between the thresholds and where a value is missing."""
        values, patients = self.values[rows], self.patients[rows]
        difference = np.abs(values[:, None] - values[None, :])
        label = np.full(difference.shape, UNUSED, np.int8)
        label[difference <= self.stage.reach(self.slack)] = POSITIVE
        label[difference >= self.stage.distance(self.slack)] = NEGATIVE
        label[patients[:, None] == patients[None, :]] = UNUSED
        return label


def variable_curriculum(samples: Samples, options: TaskOptions) -> Curriculum:
    """Return the stages of the variable task; thresholds are taken from training patients only.

    Raises:
        BadInput: one patient only, unusable thresholds, or a stage without pairs of one label.
    """
    values = samples.values
    if values is None:
        raise BadInput("--method variable needs a clinical variable: give --variable NAME.")
    known = np.isfinite(values)
    train, held_out = samples.rows("train"), samples.rows("val")
    rows, validation_rows = train[known[train]], held_out[known[held_out]]
    require_patients(samples.patients[rows], f"with a value of {samples.variable}")
    patients = samples.patient_codes()
    stages, source, notes = _stages(samples, options, values[rows], patients[rows])
    notes = samples.note(rows) + notes
    notes.insert(0, f"thresholds of {samples.label or samples.variable}: {' '.join(map(str, stages))} ({source})")
    slack = slack_of(values[rows])
    for name, used, all_rows in (("training", rows, train), ("validation", validation_rows, held_out)):
        if missing := len(all_rows) - len(used):
            notes.append(
                f"{missing} of {len(all_rows)} {name} images have no value of {samples.variable} and are left out"
            )
    if options.epochs < len(stages):
        notes.append(f"{options.epochs} epochs do not reach all {len(stages)} stages of the thresholds")
    curriculum = Curriculum(
        rules=tuple(VariableRule(stage, values, patients, slack, _words(stage, samples)) for stage in stages),
        epochs=options.epochs,
        rows=rows,
        validation_rows=validation_rows,
        patients=patients,
        advice=_advice(samples, values[rows]),
        facts={
            "variable": samples.variable,
            "thresholds": [[stage.positive_below, stage.negative_from] for stage in stages],
            "thresholds_from": source,
            "missing": int(len(train) - len(rows)),
        },
        notes=tuple(notes),
        images=samples.images,
    )
    curriculum.require_pairs()
    return curriculum


def _stages(
    samples: Samples, options: TaskOptions, values: Floats, patients: Ints
) -> tuple[tuple[Stage, ...], str, list[str]]:
    """The thresholds, where they come from, and notes."""
    text = options.thresholds
    if options.differs_by is not None:
        order = f" ({' < '.join(samples.classes)})" if samples.classes else ""
        return (Stage(0.0, options.differs_by),), f"differs by {options.differs_by:g}{order}", []
    if samples.classes is not None:
        if text is not None:
            raise BadInput(
                f"--thresholds {text!r}: {samples.variable} has classes ({', '.join(samples.classes)}), not numbers. "
                "Leave it out: equal classes are positive. For ordered classes use --differs-by K."
            )
        return (Stage(0.0, 1.0),), "classes: equal or different", []
    if text is None:
        text = PAPER_THRESHOLDS.get(samples.variable, "auto")
        if text != "auto" and _in_paper_unit(samples.label):
            return parse_thresholds(text), "Milecki et al. 2022", []
        text = "auto"
    if text == "auto":
        stages, notes = auto_thresholds(values, patients)
        shown = " ".join(f"{low:g},{high:g}" for low, high in AUTO_QUANTILES)
        return stages, f"auto: quantiles {shown} of the differences between training patients", notes
    return parse_thresholds(text), "given", []


def _in_paper_unit(label: str) -> bool:
    """Whether a label such as "gfr [mL/min/1.73m2]" is in the unit of the paper's thresholds; one without unit is."""
    return "[" not in label or "ml/min" in label.casefold()


def _words(stage: Stage, samples: Samples) -> str:
    name = samples.label or samples.variable
    if samples.classes is not None and stage.negative_from == 1:
        return f"{name}: equal positive, different negative"
    positive = f"< {stage.positive_below:g}" if stage.positive_below else "= 0"
    return f"|difference of {name}| {positive} positive, >= {stage.negative_from:g} negative"


def _advice(samples: Samples, values: Floats) -> str:
    if samples.classes is not None:
        return "Pairs need two patients of one class, and two patients of different classes."
    return (
        f"The values of {samples.variable} span {values.min():g} to {values.max():g}: give --thresholds "
        "t_pos,t_neg within that span, or --thresholds auto."
    )
