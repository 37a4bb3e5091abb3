"""The options of all tasks; the defaults are those of Milecki et al. (MIDL 2022) unless they say "ours"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medcl.study.errors import BadInput

PAPER_PAIRS = 10_000
PAPER_POSITIVE_SHARE = 0.25
PAPER_BATCH = 48
IN_BATCH_IMAGES = 96
IN_BATCH_STEPS = 21
"""21 steps of 96 images are 2,016 passes an epoch, a tenth of the 20,000 of 10,000 explicit pairs."""
DENSE_BATCH = 32
"""Images of a dense step (ours; Basak et al., ICASSP 2023, give none)."""
PROMPT_BATCH = 88
"""Images of a step beside their prompts (Milecki et al., MIDL 2023)."""
CLUSTER_BATCH = 512
"""Images of a clustering step (ours; Ferrante et al., 2023, want large batches and give no number)."""
VALIDATION_IMAGES = 960
SAME_EXAM = ("first-half", "always", "never")


@dataclass(frozen=True)
class TaskOptions:
    """What can be chosen about a task.

    Attributes:
        seed: of everything that is drawn.
        epochs: of the run; the stages of a curriculum share them equally.
        batch_size: pairs (sampled) or images (in-batch, simclr, dense, prompts, cluster) of a step; None is 48, 88
            for prompts, or 96 in-batch, 32 dense and 512 cluster (ours).
        pairs: explicit pairs an epoch; for simclr the images an epoch, so that both make as many passes.
        positive_share: of the pairs, and weight of the positives in-batch.
        steps: in-batch steps an epoch (ours).
        dense_images: images an epoch of the dense task; None is every training image once (ours).
        thresholds: "5,30 10,20 10,15", "auto", or None: the paper's for GFR, else auto.
        differs_by: for ordinal variables: equal values are positive, those that differ by at least this are
            negative. Classes count as 0, 1, 2, ... in natural order.
        same_exam: for the patient task, when two images of one exam are a positive pair: in the first half of
            the epochs (paper), always
            or never.
        validation_images: at most so many images of validation patients are used (ours).

    Raises:
        BadInput: naming every value that cannot be used.
    """

    seed: int = 0
    epochs: int = 60
    batch_size: int | None = None
    pairs: int = PAPER_PAIRS
    positive_share: float = PAPER_POSITIVE_SHARE
    steps: int = IN_BATCH_STEPS
    dense_images: int | None = None
    thresholds: str | None = None
    differs_by: float | None = None
    same_exam: Literal["first-half", "always", "never"] = "first-half"
    validation_images: int = VALIDATION_IMAGES

    def __post_init__(self) -> None:
        images_fit = self.dense_images is None or self.dense_images >= 2
        problems = [
            f"{flag} is {value}; expected {expected}."
            for flag, value, expected, fine in (
                ("--epochs", self.epochs, "1 or more", self.epochs >= 1),
                ("--batch-size", self.batch_size, "2 or more", self.batch_size is None or self.batch_size >= 2),
                ("--pairs-per-epoch", self.pairs, "2 or more", self.pairs >= 2),
                ("--positive-share", self.positive_share, "between 0 and 1", 0 < self.positive_share < 1),
                ("--steps", self.steps, "1 or more", self.steps >= 1),
                ("--images-per-epoch", self.dense_images, "2 or more", images_fit),
                ("--differs-by", self.differs_by, "above 0", self.differs_by is None or self.differs_by > 0),
                ("--same-exam", self.same_exam, f"one of {', '.join(SAME_EXAM)}", self.same_exam in SAME_EXAM),
                ("--validation-images", self.validation_images, "2 or more", self.validation_images >= 2),
            )
            if not fine
        ]
        if self.thresholds is not None and self.differs_by is not None:
            problems.append("--thresholds and --differs-by exclude each other: both say what a negative pair is.")
        if problems:
            raise BadInput(problems)
