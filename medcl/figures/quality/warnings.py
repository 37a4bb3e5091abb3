"""What a person should look at in one prepared image, in sentences; said whatever the other images are like."""

from __future__ import annotations

from collections.abc import Sequence

from medcl.figures.quality.measure import Measured
from medcl.figures.quality.sizes import both_orders
from medcl.imaging.stored_volume import StoredVolume

MOSTLY_EMPTY = 0.75
"""Share of padding from which on it is said."""


def image_warnings(
    entries: Sequence[StoredVolume], measured: Sequence[Measured], names: Sequence[str]
) -> list[tuple[str, ...]]:
    """Warnings of each image.

    Args:
        entries: the images' lines of the manifest.
        measured: their numbers.
        names: how the page calls them.
    """
    same: dict[str, list[int]] = {}
    for row, entry in enumerate(entries):
        same.setdefault(entry.content, []).append(row)
    return [
        (*_twins([names[other] for other in same[entry.content] if other != row]), *_own(entry, found))
        for row, (entry, found) in enumerate(zip(entries, measured, strict=True))
    ]


def _twins(others: Sequence[str]) -> list[str]:
    return [f"Holds the same voxels as {', '.join(others)}."] if others else []


def _own(entry: StoredVolume, measured: Measured) -> list[str]:
    if measured.values["mean"] != measured.values["mean"]:
        return ["Empty: no voxel is above 0."]
    said = []
    cut = [have > kept for have, kept in zip(entry.region_shape, entry.shape, strict=True)]
    if any(cut):
        said.append(f"Cut to the size that is stored: the region has {both_orders(entry.region_shape)} voxels.")
    if entry.label_file and measured.labelled is None:
        said.append("Has a mask, but nothing in the volume is labelled.")
    if measured.labelled is not None and any(
        was_cut and (first == 0 or last == kept - 1)
        for was_cut, (first, last), kept in zip(cut, measured.labelled, entry.shape, strict=True)
    ):
        said.append("The labelled region reaches the edge where the volume was cut: a part may be missing.")
    if measured.values["empty"] > MOSTLY_EMPTY:
        said.append(f"{measured.values['empty']:.0%} of the volume is padding.")
    return said
