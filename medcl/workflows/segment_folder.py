"""The folder that `medcl segment apply` writes into."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medcl.study.segmentations import CARD, METRICS_FILE, PAGE_FILE, SUMMARY_FILE, TABLE, read_segmentations
from medcl.workflows.output_folder import UNFINISHED, OutputFolder

__all__ = ["UNFINISHED", "call_ended", "make_room", "mask_folder"]


def mask_folder(folder: Path) -> OutputFolder:
    """A folder as one of masks, with what `medcl segment evaluate` writes beside them."""
    void = (METRICS_FILE, SUMMARY_FILE, PAGE_FILE)
    return OutputFolder(folder, "masks", "medcl segment apply", CARD, TABLE, void, _written)


def make_room(folder: Path, targets: Iterable[Path], overwrite: bool) -> None:
    """`OutputFolder.make_room` of a folder of masks.

    Raises:
        BadInput: the folder is in use.
    """
    mask_folder(folder).make_room(targets, overwrite)


def call_ended(folder: Path) -> None:
    """Take the list of files away: the card is there, or no mask is."""
    mask_folder(folder).call_ended()


def _written(folder: Path) -> set[str]:
    rows = [row for row in read_segmentations(folder)[0] if row.prediction.parent == folder]
    return {name for row in rows for name in (row.prediction.name, f"{row.case}.dcm")}
