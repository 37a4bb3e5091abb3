"""The options of the translation task."""

from __future__ import annotations

from dataclasses import dataclass

from medcl.study.errors import BadInput


@dataclass(frozen=True)
class TranslationTaskOptions:
    """What can be chosen about a translation's batches.

    Attributes:
        seed: of everything that is drawn.
        batch_size: source slices of a step, and target slices as many (1: Park et al., ECCV 2020).
        steps: of an epoch; None is as many as show each slice that an epoch uses, of the side that has more of them.
        empty_share: of the training slices on which nothing is seen, so many are used in an epoch, each time others
            (ours).

    Raises:
        BadInput: naming every value that cannot be used.
    """

    seed: int = 0
    batch_size: int = 1
    steps: int | None = None
    empty_share: float = 0.2

    def __post_init__(self) -> None:
        problems = [
            f"{flag} is {value}; expected {expected}."
            for flag, value, expected, fine in (
                ("--batch-size", self.batch_size, "1 or more", self.batch_size >= 1),
                ("--steps-per-epoch", self.steps, "1 or more", self.steps is None or self.steps >= 1),
                ("--empty-slices", self.empty_share, "a number in [0, 1]", 0 <= self.empty_share <= 1),
            )
            if not fine
        ]
        if problems:
            raise BadInput(problems)
