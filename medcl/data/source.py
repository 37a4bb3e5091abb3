"""A task and a loader together: where the training loop gets its batches from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medcl.data.loader import Batch, Loader, Part, whole
from medcl.data.plan import BatchPlan, OverviewTask, Task


class TaskSource:
    """Plans from the task, batches from the loader.

    Args:
        task: makes the plans.
        loader: makes the batches.
        part: of this process in each training batch.
    """

    def __init__(self, task: Task, loader: Loader, part: Part = whole) -> None:
        self.task = task
        self.loader = loader
        self.part = part

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the plans of an epoch (from 0)."""
        return self.task.epoch(epoch)

    def validation(self) -> list[BatchPlan]:
        """Return the plans of the validation, fixed for the run."""
        return self.task.validation()

    def overview(self) -> list[BatchPlan]:
        """Return plans in which every training image stands once, to be made without augmentation.

        Raises:
            TypeError: the task has none, since no method asks for it.
        """
        if not isinstance(self.task, OverviewTask):
            raise TypeError(f"{type(self.task).__name__} has no overview of its images")
        return self.task.overview()

    def batches(
        self, plans: Sequence[BatchPlan], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[Batch]:
        """Yield a batch for each plan from `start` on: this process's part, augmented, or the whole as stored."""
        part = self.part if training else whole
        return self.loader.batches(plans, epoch, start, augment=training, part=part)

    @property
    def waited(self) -> float:
        """Seconds that the caller has waited for reading."""
        return self.loader.waited

    @property
    def augmented(self) -> float:
        """Seconds that augmentation has taken on the device."""
        return self.loader.augmented
