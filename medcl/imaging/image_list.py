"""images.csv of a run: which images there were when it was trained, so that one can tell later which have changed."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from medcl.imaging.store import image_line
from medcl.imaging.stored_volume import StoredVolume
from medcl.study.errors import BadInput
from medcl.study.files import write_text

IMAGES = "images.csv"


@dataclass(frozen=True)
class ListedImage:
    """One image as a run knew it.

    Attributes:
        case: unique name.
        patient: as the cohort named them then.
        content: hash of the source's voxels.
        state: hash of all that `VolumeStore.fingerprint` looks at: content, place in space, labels.
    """

    case: str
    patient: str
    content: str
    state: str


@dataclass(frozen=True)
class Changes:
    """Cases that a store has and the list has not, the other way round, and those of another state; each sorted."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def write_image_list(folder: Path, entries: Iterable[StoredVolume]) -> None:
    """Write the images of a training into its run's folder, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(ListedImage)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(_listed(entry)) for entry in entries)
    write_text(folder / IMAGES, text.getvalue())


def read_image_list(folder: Path) -> list[ListedImage]:
    """The images of a run; none of a run that was trained before medcl wrote such lists.

    Raises:
        BadInput: the list cannot be read.
    """
    file = folder / IMAGES
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
        return [ListedImage(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, TypeError) as error:
        raise BadInput(f"{file}: is no list of images ({error}); restore it or delete it.") from None


def changes_since(listed: Iterable[ListedImage], entries: Iterable[StoredVolume]) -> Changes:
    """What has happened to the images of a list."""
    before = {image.case: image.state for image in listed}
    now = {entry.case: _listed(entry).state for entry in entries}
    return Changes(
        sorted(now.keys() - before.keys()),
        sorted(before.keys() - now.keys()),
        sorted(case for case in now.keys() & before.keys() if now[case] != before[case]),
    )


def _listed(entry: StoredVolume) -> ListedImage:
    state = hashlib.sha256(image_line(entry).encode()).hexdigest()[:16]
    return ListedImage(entry.case, entry.patient, entry.content, state)
