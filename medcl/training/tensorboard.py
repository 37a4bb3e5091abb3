"""metrics.csv as TensorBoard shows it: the same numbers over the steps, training and validation in one chart.

`tensorboard --logdir runs` shows all runs of a study. Event files are the one kind of file here that grows while the
run goes on: that is their format, and metrics.csv holds all that is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medcl.study.errors import RunFailed

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes rows of metrics.csv as events to `folder`/tensorboard/train and val.

    Args:
        folder: of the run or the fold.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._writers: dict[str, Any] = {}

    def restart(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Begin with the rows that metrics.csv has now; what was written before is gone, also from open pages."""
        for old in self._folder.glob("*/events.out.tfevents.*"):
            old.unlink()
        self.add(rows)

    def add(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Write rows of metrics.csv.

        Raises:
            RunFailed: the disk is full or not to be written to.
        """
        try:
            for row in rows:
                writer = self._writer(row["split"])
                for name, value in row.items():
                    if name not in ("split", "step"):
                        writer.add_scalar(name, float(value), int(row["step"]))
            for writer in self._writers.values():
                writer.flush()
        except OSError as error:
            raise RunFailed(
                f"{self._folder}: TensorBoard's events could not be written ({error.strerror or error}). "
                "Free space on that disk and go on with --resume."
            ) from error

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            with suppress(OSError):  # what a full disk did not take was told when it was added
                writer.close()
        self._writers.clear()

    def _writer(self, split: str) -> Any:
        """A split has a folder of its own, by which TensorBoard draws the same number of both in one chart."""
        if split not in self._writers:
            from torch.utils.tensorboard import SummaryWriter  # here: it takes a second to import

            # purging from step 0 takes earlier files' points off pages that are open
            self._writers[split] = SummaryWriter(self._folder / split, purge_step=0)
        return self._writers[split]
