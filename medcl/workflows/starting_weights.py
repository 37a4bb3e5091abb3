"""Weights that a training starts from (--init-from, --translation) must not have seen its test patients."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.plural import counted

if TYPE_CHECKING:
    from medcl.imaging.store import VolumeStore
    from medcl.study.folder import Study

SHOWN = 8

log = logging.getLogger("medcl")


def refuse_leaking_weights(
    init_from: Path,
    study: Study,
    store: VolumeStore,
    sides: Mapping[str, str],
    *,
    option: str = "--init-from",
    validation: bool = False,
) -> None:
    """Refuse weights that were trained, or whose epoch was chosen, on images that are test images here.

    Runs that the weights themselves were started from count as well. An image is known by its voxels, whatever its
    name; a patient also by name where the run is of this study.

    Args:
        init_from: a run or fold folder, or a file in it.
        study: whose volumes are trained on now.
        store: of these volumes.
        sides: the part (train, val, test) of each patient now.
        option: by which the weights were named, for messages.
        validation: also refuse weights that were trained on images of patients who validate now, as those that are part
            of what is validated.

    Raises:
        BadInput: there are such images; names their patients and what to do.
    """
    for folder in _ancestry(init_from):
        own = _is_below(folder, study.runs)
        found = _seen(folder, own, ("train", "val"))
        if found is None:
            log.warning(
                f"{option} {init_from}: {folder} does not tell which images it was trained on (splits.csv and "
                "images.csv), so it cannot be looked whether test patients are among them."
            )
            continue
        _refuse(f"{option} {init_from}", folder, _on_side(store, sides, "test", found), "be tested on")
        learned = _seen(folder, own, ("train",))
        if validation and learned is not None:
            _refuse(f"{option} {init_from}", folder, _on_side(store, sides, "val", learned), "be validated on")


def _on_side(store: VolumeStore, sides: Mapping[str, str], side: str, seen: tuple[set[str], set[str]]) -> list[str]:
    """Patients of a side of the split now who were seen, by name or by the voxels of an image."""
    patients, contents = seen
    entries = (entry for entry in store.entries if sides.get(entry.patient) == side)
    return sorted({entry.patient for entry in entries if entry.content in contents or entry.patient in patients})


def _refuse(told: str, folder: Path, seen: list[str], what: str) -> None:
    if seen:
        names = ", ".join(seen[:SHOWN]) + (", ..." if len(seen) > SHOWN else "")
        raise BadInput(
            f"{told}: the network in {folder} has seen {counted(len(seen), 'patient')} who would {what} now ({names}), "
            f"and numbers on them would mean nothing. Use its split too, with --splits {folder / 'splits.csv'}, or "
            "train it again with these patients held out."
        )


def _ancestry(init_from: Path) -> Iterator[Path]:
    """The folder of the weights, that of the weights which they were started from, and so on."""
    from medcl.study.files import read_json

    following: Path | None = init_from
    known: set[Path] = set()
    while following is not None:
        folder = (following if following.is_dir() else following.parent).resolve()
        if folder in known:
            return
        known.add(folder)
        yield folder
        record = next((each / "run.json" for each in (folder, folder.parent) if (each / "run.json").is_file()), None)
        options = read_json(record).get("options") if record else None
        before = options.get("init_from") if isinstance(options, dict) else None
        following = Path(before) if before else None


def _seen(folder: Path, own: bool, parts: Collection[str]) -> tuple[set[str], set[str]] | None:
    """Patients (of this study) and voxel hashes of these parts of a run's split; None where it tells none."""
    from medcl.imaging.image_list import read_image_list
    from medcl.study.split_file import read_splits

    splits = folder / "splits.csv"
    listed = read_image_list(folder) or read_image_list(folder.parent)  # of a fold the run has the list
    if not splits.is_file() or not listed:
        return None
    sides = read_splits(splits).of(1)
    used = {patient for patient, side in sides.items() if side in parts}
    return (used if own else set()), {image.content for image in listed if image.patient in used}


def _is_below(folder: Path, runs: Path) -> bool:
    return runs.resolve() in folder.parents
