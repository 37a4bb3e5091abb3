"""The quality page of a volume store, `preprocessed/NAME/quality.html`: all prepared images at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.study.files import write_text
from medcl.study.plural import counted

if TYPE_CHECKING:
    from medcl.figures.quality.measure import Measured
    from medcl.imaging.store import VolumeStore
    from medcl.study.cohort import Cohort

CONCEALED = "the words name files or persons; the store's fingerprint.json and `medcl preprocess --check` have them."
"""What stands on a page without ids in place of a sentence that might tell one."""

NOT_NOTED = (
    "{} prepared by an earlier version of medcl, which did not note what is odd about a source: "
    "`medcl preprocess --check` tells it."
)


def write_quality_page(
    folder: Path,
    cohort: Cohort,
    *,
    left_out: Sequence[tuple[str, str]] = (),
    no_ids: bool = False,
) -> Path:
    """Draw the page of a finished store and write it beside the volumes, in place of an older one.

    Args:
        folder: the store.
        cohort: that it was made of.
        left_out: (case, problem) of images that could not be used.
        no_ids: number the patients, and tell no file and no case.

    Raises:
        BadInput: the store cannot be read.
        RunFailed: the disk is full or cannot be written to.
    """
    from medcl.figures.quality.image import joined, judged
    from medcl.figures.quality.page import quality_page
    from medcl.imaging.store import PAGE, VolumeStore

    store = VolumeStore.open(folder)
    rows: dict[str, dict[Any, Any]] = {str(row["case"]): row for row in cohort.frame.to_dict("records")}
    names = {name: f"Patient {n}" if no_ids else name for n, name in enumerate(cohort.patients(), start=1)}

    def sentence(case: str, text: str) -> str:
        return _without_files(text, rows[case], no_ids)

    images = judged(
        [names[entry.patient] for entry in store.entries],
        store.entries,
        _measured(store),
        [tuple(sentence(entry.case, text) for text in entry.warnings or ()) for entry in store.entries],
    )
    not_noted = sum(entry.warnings is None for entry in store.entries)
    missed = []
    for case, problem in left_out:
        row = rows[case]
        missed.append((joined(names[row["patient"]], row["exam"], row["sequence"]), sentence(case, problem)))
    html = quality_page(
        images,
        store.recipe,
        store=f"preprocessed/{folder.name}",
        data=store.fingerprint(),
        left_out=missed,
        said=[NOT_NOTED.format(counted(not_noted, "image"))] if not_noted else [],
    )
    write_text(folder / PAGE, html)
    return folder / PAGE


def _measured(store: VolumeStore) -> list[Measured]:
    """Pictures and numbers of all images, one after the other: some milliseconds each, and memory stays flat."""
    import numpy as np

    from medcl.figures.quality.measure import measure
    from medcl.workflows.progress import progress

    voxels, found = np.empty(store.recipe.size, np.float32), []
    with progress("Quality page", len(store.entries)) as step:
        for entry in store.entries:
            volume = store.read(entry, out=None if store.sliced else voxels)
            found.append(measure(volume, store.labels(entry), entry, show_box=store.recipe.roi != "whole"))
            step()
    return found


def _without_files(text: str, row: Mapping[Any, Any], no_ids: bool) -> str:
    """A sentence about an image whose name stands beside it: without the paths of its files and, where the page has
    no ids, without anything that might be one."""
    files = [Path(row[column]) for column in ("image", "mask") if row[column]]
    told = any(f"{file}/" in text for file in files)  # of a file in a DICOM folder, whose name may be anything
    for file, word in zip(files, ("image", "mask"), strict=False):
        text = text.replace(f"{file}: ", "" if word == "image" else "mask: ").replace(str(file), word)
    words = [row["patient"], row["case"], *(file.name.split(".")[0] for file in files)]
    if no_ids and (told or any(word.casefold() in text.casefold() for word in words if word)):
        return CONCEALED
    return text[:1].upper() + text[1:]
