"""A run of `medcl cluster train` with the images that it is used on: the same ones, or new ones prepared alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.runs import Run
from medcl.study.segmentations import NEW
from medcl.workflows.cluster_images import DEFAULT, ClusterImages, read_images, without_copies
from medcl.workflows.cluster_options import ClusterImagesOptions
from medcl.workflows.cluster_train import KIND
from medcl.workflows.finished_run import finished_run
from medcl.workflows.known_patients import KnownPatients

if TYPE_CHECKING:
    import torch

    from medcl.data.samples import Samples
    from medcl.evaluation.assign import Assigned
    from medcl.evaluation.saved_clustering import SavedClustering

Asked = TypeVar("Asked", bound=ClusterImagesOptions)


@dataclass(frozen=True)
class OpenedClustering:
    """A run and images.

    Attributes:
        run, saved: what was trained.
        images: where the images come from.
        samples: the images; their splits are the run's: train, val, test, or new for whom it does not know.
        device: where to encode.
    """

    run: Run
    saved: SavedClustering
    images: ClusterImages
    samples: Samples
    device: torch.device

    def assign(self) -> Assigned:
        """Put all images to the prototypes.

        Raises:
            RunFailed: features that are not finite.
        """
        import numpy as np

        from medcl.evaluation.assign import assign

        return assign(self.saved.network, self.samples, np.arange(len(self.samples)), device=self.device)


def open_clustering(study: Study, name: str | None, options: ClusterImagesOptions, device: str) -> OpenedClustering:
    """Open a run and the images that the options name, or those that it was trained on.

    Args:
        study: of the images.
        name: of the run; the newest for None.
        options: which images.
        device: auto, cpu, cuda or mps.

    Raises:
        BadInput: there is no such run, or the images are prepared otherwise than the run's.
    """
    import numpy as np

    from medcl.data.samples import build_samples
    from medcl.evaluation.saved_clustering import load_clustering
    from medcl.training.device import resolve_device

    where = resolve_device(device)
    run = finished_run(study, KIND, name)
    own = run.path.parent.resolve() == study.runs.resolve()
    saved = load_clustering(run.path, where)
    options = _with_images_of_run(options, run) if own else options
    _refuse_other_source(options, saved.card, run)
    images = read_images(study, options, preprocessed=str(saved.card.get("preprocessed", DEFAULT)))
    _refuse_other_recipe(images, saved.card, run)
    known = KnownPatients.of(run, own)
    if options.npz is not None:
        known = _of_file(known, images)
        images = without_copies(images, _parts(images, known), options)
    samples = build_samples(images.store, images.cohort, dict.fromkeys(images.cohort.patients(), NEW))
    if samples.size != saved.size:
        there, here = (" ".join(map(str, size)) for size in (saved.size, samples.size))
        raise BadInput(
            f"{options.npz or study.preprocessed(str(images.card.get('preprocessed')))}: the images are {here} voxels "
            f"(z y x), and the run {run.name} was trained on {there}: bring them to that size."
        )
    splits = np.array([_side(known, entry, options.npz is not None) for entry in samples.entries])
    return OpenedClustering(run, saved, images, replace(samples, splits=splits), where)


def _with_images_of_run(options: Asked, run: Run) -> Asked:
    """The file that the run was trained on, unless other images were asked for."""
    told = run.record.get("options")
    if options.npz is not None or options.preprocessed is not None or not isinstance(told, dict) or not told.get("npz"):
        return options
    path = Path(told["npz"])
    if not path.is_file():
        raise BadInput(f"{path}, the file that the run {run.name} was trained on, is not there: give it with --npz.")
    names = options.class_names or list(told.get("class_names") or [])
    return options.model_copy(update={"npz": path, "class_names": names, "copies": told.get("copies", options.copies)})


def _of_file(known: KnownPatients, images: ClusterImages) -> KnownPatients:
    """Whom the run knows of a file: names count in its own one alone, since every file has an image train-00000."""
    own = {(case, content) for content, cases in known.cases.items() for case in cases}
    there = {(entry.case, entry.content) for entry in images.store.entries}
    return known if own and own <= there else replace(known, splits={})


def _parts(images: ClusterImages, known: KnownPatients) -> dict[str, str]:
    """The part of the split of each image of a file: the run's where it is the run's file, else the file's."""
    frame = images.cohort.frame
    parts: dict[str, str] = dict(zip(frame["patient"], frame["split"], strict=True))
    return parts | {patient: known.splits[patient] for patient in parts if patient in known.splits}


def _side(known: KnownPatients, entry: Any, of_file: bool) -> str:
    """The side of an image; the run's own ones go by name, so that copies that are kept stay where they are."""
    named = of_file or entry.case in known.cases.get(entry.content, ())
    side = known.splits.get(entry.patient) if named else None
    return side or known.split_of(entry.patient, entry.content)


def _refuse_other_source(options: ClusterImagesOptions, card: Mapping[str, Any], run: Run) -> None:
    """Images of a file and of a study are prepared otherwise."""
    if "npz" in card and options.npz is None:
        raise BadInput(
            f"The run {run.name} was trained on images of a file ({card['npz']}), and a study's are prepared "
            "otherwise: give a file of such images with --npz, and no --preprocessed."
        )
    if "npz" not in card and options.npz is not None:
        raise BadInput(
            f"--npz {options.npz}: the run {run.name} was trained on images of a study, and a file's are prepared "
            "otherwise. Leave --npz out, or give a run of such a file with --run."
        )


def _refuse_other_recipe(images: ClusterImages, card: Mapping[str, Any], run: Run) -> None:
    """Images that were prepared otherwise would be put to clusters by how they were prepared."""
    if card.get("recipe_key") != images.card.get("recipe_key"):
        from medcl.imaging.recipe import Recipe

        recipe = Recipe.from_json(images.card["recipe"])
        raise BadInput(
            [
                f"The run {run.name} was trained on images of another recipe (there) than those of "
                f"preprocessed/{images.card['preprocessed']} (now):",
                *(f"  {words}" for words in recipe.differences(card.get("recipe") or {})),
                "Preprocess with the run's recipe under a name of its own, and give it with --preprocessed.",
            ]
        )
