"""What the loop asks of the data: plans of an epoch, plans of the validation, and batches made from plans.

Plans and augmentation depend on (seed, epoch, sample) only and never on what was drawn before: this is what lets a
resumed run start in the middle of an epoch with the very batches that the unbroken run would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable


class Batch(Protocol):
    """One batch, on the device; what else it carries is between the source and the method."""

    @property
    def cases(self) -> Sequence[str]:
        """The case of each image of the whole batch, for error messages; its length is the number of images."""


class Source(Protocol):
    """Where the loop's batches come from."""

    def epoch(self, epoch: int) -> Sequence[Any]:
        """Return the plans of an epoch, one a batch; `epoch` counts from 0."""

    def validation(self) -> Sequence[Any]:
        """Return the validation's plans, the same through the whole run; empty when nobody is held out."""

    def batches(self, plans: Sequence[Any], epoch: int, start: int = 0, *, training: bool = True) -> Iterator[Batch]:
        """Make one batch from each plan from `start` on.

        For training it holds the images of this process's share, augmented by (seed, epoch, sample); else all images
        of the plan as they are.
        """

    @property
    def waited(self) -> float:
        """Seconds that callers of `batches` have stood waiting for reading, since the source was made."""


@runtime_checkable
class OverviewSource(Protocol):
    """A `Source` that can also show all training images as they are, for methods of several phases."""

    def overview(self) -> Sequence[Any]:
        """Return plans, for `batches(..., training=False)`, in which every training image stands once."""
