"""Image files that are no rows of a cohort, as jobs of `medcl segment apply`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput

if TYPE_CHECKING:
    from medcl.imaging.recipe import Recipe
    from medcl.imaging.worker import Job

SUFFIXES = (".nii", ".nii.gz")

_UNSAFE = re.compile(r"[^\w.+-]+")


def file_jobs(files: Sequence[Path], recipe: Recipe) -> list[list[Job]]:
    """One job for each image: NIfTI files, folders of them, DICOM folders.

    Args:
        files: as given; of a folder with NIfTI files each of these, any other folder is one DICOM image.
        recipe: of the run.

    Raises:
        BadInput: a file does not exist, one is given twice, or the recipe needs what files alone do not tell.
    """
    from medcl.imaging.source import Source
    from medcl.imaging.worker import Job

    _refuse_regions(recipe)
    images = _images(files)
    jobs = []
    for image, name in zip(images, names_of(images), strict=True):
        modality = ""
        if image.is_dir():
            from medcl.imaging.dicom_seg import modality_of

            modality = modality_of(image)
        names = {"case": name, "patient": "", "exam": "", "sequence": "", "modality": modality, "site": ""}
        jobs.append([Job(names, Source(image, modality=modality), recipe, None)])
    return jobs


def names_of(images: Sequence[Path]) -> list[str]:
    """A name for each image: its file's, with as many of the folders above as tell it from the others."""
    parts = [[*image.parts[1:-1], _stem(image)] for image in images]
    names = [_joined(each, 1) for each in parts]
    for depth in range(2, max(map(len, parts), default=1) + 1):
        count = Counter(name.casefold() for name in names)
        names = [
            _joined(each, depth) if count[name.casefold()] > 1 else name
            for each, name in zip(parts, names, strict=True)
        ]
    taken: set[str] = set()
    for place, name in enumerate(names):  # a/b_c.nii and a_b/c.nii are still one
        number = 1
        while names[place].casefold() in taken:
            number += 1
            names[place] = f"{name}-{number}"
        taken.add(names[place].casefold())
    return names


def _images(files: Sequence[Path]) -> list[Path]:
    problems, images = [], []
    for file in files:
        path = file.absolute()
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.name.endswith(SUFFIXES) and each.is_file())
            images += inside or [path]
        elif path.exists():
            images.append(path)
        else:
            problems.append(f"{file}: no such file or folder.")
    twice = [str(path) for path, count in Counter(path.resolve() for path in images).items() if count > 1]
    problems += [f"{path}: is given twice." for path in twice]
    if problems:
        raise BadInput(problems)
    return images


def _refuse_regions(recipe: Recipe) -> None:
    """What must be known beside the image itself, a file given alone cannot tell."""
    if needs := needed_beside(recipe):
        raise BadInput(
            f"The run's images were prepared with {needs}, which files given alone do not tell: make a study whose "
            "cohort.csv tells it (`medcl init`) and apply the run there, with --run and without files."
        )


def needed_beside(recipe: Recipe) -> str:
    """What a recipe needs to know beside an image's own file, in words; "" where that is all."""
    if recipe.roi_kind in ("whole", "run") and not recipe.needs_exam:
        return ""
    return {
        "mask": "a mask of each image (--roi mask)",
        "centre": "the point centre_x, centre_y, centre_z of each image (--roi centre)",
        "enhancement": "all phases of each exam (--roi enhancement)",
    }.get(recipe.roi, "all images of each exam (--intensity-over exam)")


def _stem(image: Path) -> str:
    suffix = next((each for each in reversed(SUFFIXES) if image.name.endswith(each)), "")
    return image.name.removesuffix(suffix) or "image"


def _joined(parts: Sequence[str], depth: int) -> str:
    return _UNSAFE.sub("-", "_".join(parts[-depth:])).strip(".") or "image"
