"""Where the images of `medcl cluster` come from: the study's preprocessed ones, or a MedMNIST-style file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.workflows.clinical_options import read_options_cohort
from medcl.workflows.cluster_options import ClusterImagesOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medcl.study.cohort import Cohort
    from medcl.study.folder import Study

DEFAULT = "default"


class ImageStore(Protocol):
    """What a volume store and a file of images have in common."""

    @property
    def entries(self) -> Sequence[Any]: ...
    @property
    def sliced(self) -> bool: ...
    def fingerprint(self) -> str: ...
    def read(
        self, entry: Any, out: NDArray[np.float32] | None = None, slice: int | None = None
    ) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class ClusterImages:
    """Images and what is known about them.

    Attributes:
        store: reads them.
        cohort: their patients and variables; of a file each image counts as a patient, and "label" is its class.
        notes: what the user should know.
        card: where they come from and how they were prepared, for the run's card.
    """

    store: ImageStore
    cohort: Cohort
    notes: list[str]
    card: dict[str, Any]


def read_images(study: Study, options: ClusterImagesOptions, preprocessed: str = DEFAULT) -> ClusterImages:
    """Open the images that the options name.

    Args:
        study: with the preprocessed images.
        options: of the command.
        preprocessed: name of those images, unless the options tell.

    Raises:
        BadInput: they are missing or cannot be used.
    """
    if options.npz is not None:
        return _of_file(options)
    return _of_study(study, options, options.preprocessed or preprocessed)


def without_copies(images: ClusterImages, sides: dict[str, str], options: ClusterImagesOptions) -> ClusterImages:
    """The images without those of the training part that are held out too, or all of them with a note (--copies).

    Raises:
        BadInput: images of a study are copies of each other on two sides of the split.
    """
    from medcl.study.leakage import check_images

    if options.npz is None:
        check_images(images.store.entries, sides)
        return images
    from medcl.study.copies import leave_out_copies

    leave, notes = leave_out_copies(images.store.entries, sides)
    if options.copies == "keep":
        stand = "stands" if len(leave) == 1 else "stand"
        told = f"--copies keep: {counted(len(leave), 'image')} {stand} on two sides of the split"
        return _changed(images, images.store, [told] if leave else [])
    keep = {entry.case for entry in images.store.entries} - leave
    return _changed(images, _only(images.store, keep), notes)


def _of_study(study: Study, options: ClusterImagesOptions, name: str) -> ClusterImages:
    from medcl.imaging.store import VolumeStore

    whole = VolumeStore.open(study.preprocessed(name))
    cohort = read_options_cohort(study, options)
    cases = set(cohort.cases())
    store = whole.only(cases)
    notes = list(cohort.notes)
    if missing := len(cases - {entry.case for entry in whole.entries}):
        notes.append(f"{missing} images of cohort.csv are not preprocessed and are left out (`medcl preprocess`).")
    if gone := len(whole.entries) - len(store.entries):
        notes.append(f"{gone} preprocessed images are no longer in cohort.csv and are left out.")
    if not store.entries:
        raise BadInput(f"No image of cohort.csv is in {store.path}: run `medcl preprocess`.")
    recipe = store.recipe
    card = {
        "preprocessed": name,
        "recipe": recipe.to_json(),
        "recipe_key": recipe.key(),
        "slices": recipe.slices,
        "modalities": sorted({entry.modality for entry in store.entries}),
    }
    return ClusterImages(store, cohort, notes, card)


def _of_file(options: ClusterImagesOptions) -> ClusterImages:
    from medcl.imaging.npz_cohort import npz_cohort
    from medcl.imaging.npz_images import open_npz

    assert options.npz is not None
    images = open_npz(options.npz)
    cohort = npz_cohort(images, options.class_names or None)
    return ClusterImages(images, cohort, list(cohort.notes), {"npz": options.npz.name})


def _only(store: Any, cases: Collection[str]) -> ImageStore:
    found: ImageStore = store.only(cases)
    return found


def _changed(images: ClusterImages, store: ImageStore, notes: Sequence[str]) -> ClusterImages:
    return ClusterImages(store, images.cohort, [*images.notes, *notes], images.card)
