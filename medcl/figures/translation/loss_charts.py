"""What the rows of a translation's metrics.csv become as charts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from medcl.figures.translation.curves import Chart, Series

Rows = Sequence[Mapping[str, object]]

GENERATOR = {
    "loss_gan": "adversarial",
    "loss_segmentation": "segmentation",
    "loss_self_training": "self-training",
}
CONTRAST = {"loss_nce": "source", "loss_identity": "target (identity)"}
SCORES = {"score_real": "real target", "score_made": "translated"}


def loss_charts(rows: Rows, classes: Sequence[str] = ()) -> list[Chart]:
    """Charts of the generator's losses, the contrast of patches, the discriminator's scores, and the validation.

    Args:
        rows: of metrics.csv, as written or as numbers: epoch, split ("train", "val"), and values by column.
        classes: names of the label classes, for the columns dice_1, ...
    """
    train, val = (_of(rows, split) for split in ("train", "val"))
    contrast = _chance(train)
    charts = [
        Chart("Losses of the generator", _series(train, GENERATOR)),
        Chart(
            "Contrast of patches (PatchNCE)",
            _series(train, CONTRAST),
            () if contrast is None else ((contrast, "chance"),),
            "At chance a translated patch does not tell its own place in the source from the others: then nothing "
            "holds the translation to its source."
            if contrast is not None
            else "",
        ),
        Chart(
            "Scores of the discriminator",
            _series(train, SCORES),
            ((0.5, "cannot tell"),),
            "1 is what it shall say of real target slices and 0 of translated ones; both near 0.5: it cannot tell "
            "them apart.",
        ),
    ]
    return [*charts, *_validation(val, classes)]


def _validation(val: Rows, classes: Sequence[str]) -> list[Chart]:
    """Overlap with the masks where there are any; else the contrast, which is then the loss."""
    overlaps = {f"dice_{place}": name for place, name in enumerate(classes, start=1)}
    dice = _series(val, overlaps)
    if not any(each.known for each in dice):
        return [Chart("Validation: contrast of patches", _series(val, {"loss": "source"}))]
    mean = Series("mean", tuple((epoch, 1 - loss) for epoch, loss in _values(val, "loss")))
    return [
        Chart("Validation: Dice on translated slices", (mean, *dice), ((1.0, "the mask itself"),)),
        Chart("Validation: contrast of patches", _series(val, {"loss_nce": "source"})),
    ]


def _of(rows: Rows, split: str) -> Rows:
    return [row for row in rows if row.get("split") == split]


def _series(rows: Rows, names: Mapping[str, str]) -> tuple[Series, ...]:
    return tuple(Series(title, tuple(_values(rows, name))) for name, title in names.items())


def _values(rows: Rows, name: str) -> list[tuple[int, float]]:
    cells = [(row["epoch"], row.get(name, "")) for row in rows]
    return [(int(str(epoch)), float(str(cell))) for epoch, cell in cells if cell not in ("", None)]


def _chance(train: Rows) -> float | None:
    """What the contrast costs when all patches look alike, out of its value and its share of that."""
    shares = dict(_values(train, "nce_of_chance"))
    found = [value / shares[epoch] for epoch, value in _values(train, "loss_nce") if shares.get(epoch, 0) > 0]
    known = [value for value in found if math.isfinite(value)]
    return median(known) if known else None
