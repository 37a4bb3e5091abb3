"""A training of `medcl cluster train`: its images, its method, its run and the network that it leaves behind.

Joins the rooms: study (cohort, splits, leakage gate), imaging (stores), data (task, loader), networks, methods and
training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from medcl.data.augmentation import Augmentation
from medcl.data.cluster_task import ClusterTask
from medcl.data.loader import Loader
from medcl.data.samples import Samples, build_samples
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.evaluation.saved_clustering import STEM
from medcl.methods.clustering import Clustering, ClusteringOptions
from medcl.methods.mixture import FEWEST_IMAGES
from medcl.networks.clustering_network import build_clustering_network
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.study.runs import Run
from medcl.study.short_hash import short_hash
from medcl.study.splits import Splits, make_splits
from medcl.training.device import resolve_device
from medcl.training.distributed import is_main, own_rows, world_size
from medcl.training.dry_run import Forecast, dry_run
from medcl.training.export import export_encoder, restore_best
from medcl.training.randomness import seed_everything
from medcl.training.result import TrainingResult
from medcl.workflows.cluster_images import ClusterImages, read_images, without_copies
from medcl.workflows.device_cache import cache_bytes
from medcl.workflows.split_options import split_notes, split_patients
from medcl.workflows.training_folder import train_in

if TYPE_CHECKING:
    from medcl.workflows.cluster_train import ClusterTrainOptions

INPUTS = {"images": "the images", "splits": "the split of the patients"}
"""What goes into a run, in words."""

CACHED_IN_MEMORY = 1 << 30
"""Bytes of images that are kept in memory on a CPU, unless --cache says otherwise."""


@dataclass(frozen=True)
class PreparedClustering:
    """All that a training needs, checked.

    Attributes:
        images, splits, samples: where the data come from.
        device: where it trains.
        notes: what the user should know before the training starts.
        inputs: hashes of what goes in, for run.json.
    """

    images: ClusterImages
    splits: Splits
    samples: Samples
    device: torch.device
    notes: list[str]
    inputs: dict[str, str]


@dataclass(frozen=True)
class MadeClustering:
    """A training, ready to begin."""

    task: ClusterTask
    method: Clustering
    source: TaskSource


def prepare(study: Study, options: ClusterTrainOptions) -> PreparedClustering:
    """Read the images and refuse what cannot be trained on.

    Raises:
        BadInput: with what is missing or wrong.
    """
    device = resolve_device(options.device)
    images = read_images(study, options)
    splits = _splits(images, options)
    sides = splits.of(1)
    images = without_copies(images, sides, options)
    samples = build_samples(images.store, images.cohort, sides)
    _refuse_poor_images(samples, options)
    inputs = {
        "images": images.store.fingerprint(),
        "splits": short_hash(splits.frame.to_csv(index=False)),
    }
    return PreparedClustering(images, splits, samples, device, [*images.notes, *split_notes(splits)], inputs)


def build(prepared: PreparedClustering, options: ClusterTrainOptions) -> MadeClustering:
    """Make the task, the method and the loader.

    Raises:
        BadInput: the batches or the images' size cannot be used.
    """
    samples = prepared.samples
    task = ClusterTask(samples, TaskOptions(seed=options.seed, epochs=options.epochs, batch_size=options.batch_size))
    _refuse_small_batches(task)
    seed_everything(options.seed)  # the method's first weights follow the seed
    network = build_clustering_network(
        options.network,
        samples.size,
        most=_most(options),
        assign=options.assign,
        temperature=options.assignment_temperature,
    )
    if options.compile:
        network.encoder.compile()  # in place: names of weights stay
    method = Clustering(
        network,
        ClusteringOptions(
            temperature=options.temperature,
            decoupled=options.contrast == "decoupled",
            reconstruction_weight=options.reconstruction_weight,
            contrastive_epochs=options.first_phase,
            clusters=None if options.clusters == "auto" else options.clusters,
            most=_most(options),
            kind=options.grouping,
            seed=options.seed,
        ),
        images=task.batch_size,
    )
    loader = Loader(
        samples,
        _augmentation(options),
        seed=options.seed,
        device=prepared.device,
        workers=options.workers,
        cache_bytes=cache_bytes(options.cache, prepared.device, of_memory=CACHED_IN_MEMORY),
    )
    return MadeClustering(task, method, TaskSource(task, loader, own_rows))


def train_clustering(
    prepared: PreparedClustering, made: MadeClustering, options: ClusterTrainOptions, run: Run
) -> TrainingResult:
    """Train in the run's folder and export the networks of the last epoch; of several ranks the first one writes."""
    result = train_in(
        run.path,
        made.method,
        made.task,
        made.source,
        prepared.splits.only(1),
        options,
        device=prepared.device,
        inputs=prepared.inputs,
    )
    if is_main():
        epoch = restore_best(made.method, result.best)
        _export(prepared, made, options, run, epoch)
    return result


def dry_run_clustering(prepared: PreparedClustering, options: ClusterTrainOptions) -> Forecast:
    """Train two steps and tell what the run would take; nothing is written."""
    made = build(prepared, options)
    return dry_run(made.method, made.source, options.settings(), device=prepared.device, options={})


def _export(
    prepared: PreparedClustering, made: MadeClustering, options: ClusterTrainOptions, run: Run, epoch: int
) -> None:
    """The whole network for `cluster apply`, and encoder and projection for `embed`."""
    network = made.method.network
    architecture = {"network": options.network, "size": list(prepared.samples.size), "channels": 1}
    card = {
        **prepared.images.card,
        "method": "cluster",
        "clusters": network.head.clusters,
        "spacing": [round(float(step), 4) for step in prepared.samples.spacings().mean(axis=0)],
        "data": prepared.inputs["images"],
        "run": run.name,
        "epoch": epoch,
    }
    export_encoder(network.encoder, run.path, {**card, "architecture": architecture})
    projection = {"architecture": network.projection.shape, "run": run.name}
    export_encoder(network.projection, run.path, projection, "projection")
    head = {"most": _most(options), "assign": options.assign, "temperature": options.assignment_temperature}
    export_encoder(network, run.path, {**card, "architecture": {**architecture, **head}}, STEM)


def _splits(images: ClusterImages, options: ClusterTrainOptions) -> Splits:
    """The split of the patients; of a file the one that its arrays are named by, unless --splits gives another."""
    if options.npz is None or options.splits is not None:
        return split_patients(options, images.cohort, options.seed)
    frame = images.cohort.frame
    parts = dict(zip(frame["patient"], frame["split"], strict=True))
    official = Splits.of_parts({1: parts}, (f"the split of {options.npz.name}",))
    return make_splits(frame, seed=options.seed, given=official)


def _most(options: ClusterTrainOptions) -> int:
    """Places for prototypes."""
    return options.most if options.clusters == "auto" else options.clusters


def _augmentation(options: ClusterTrainOptions) -> Augmentation:
    chance = options.probability
    return Augmentation(
        flip_probability=chance if options.mirror else 0.0,
        affine_probability=chance,
        rotation_degrees=options.rotation,
        scale=0.0,
        blur_probability=chance,
        blur_sigma=options.blur,
        noise_probability=chance,
        noise_sd=options.noise,
        crop=options.crop,
        crop_probability=chance,
        gamma_probability=chance,
        gamma=options.gamma,
        brightness_probability=chance,
        brightness=options.brightness,
        contrast_probability=chance,
        contrast=options.contrast_change,
    )


def _refuse_poor_images(samples: Samples, options: ClusterTrainOptions) -> None:
    """Images that cannot be told apart, or fewer than clusters, before an hour of training finds out."""
    rows = samples.rows("train")
    slices = np.zeros(len(samples), int) if samples.slices is None else samples.slices
    different = len({(samples.entries[row].content, int(slices[row])) for row in rows})
    wanted = 2 if options.clusters == "auto" else options.clusters
    if different < wanted:
        raise BadInput(
            f"{counted(different, 'different image')} among {counted(len(rows), 'training image')} cannot make "
            f"{wanted} clusters: take more images, or fewer --clusters."
        )
    if options.grouping == "mixture" and len(rows) < FEWEST_IMAGES:
        raise BadInput(
            f"--grouping mixture needs {FEWEST_IMAGES} training images or more, found {len(rows)}: take --grouping "
            "kmeans."
        )
    # a file's constant images are refused where it is read
    flat = [getattr(samples.entries[row], "high", 1.0) <= getattr(samples.entries[row], "low", 0.0) for row in rows]
    if all(flat):
        raise BadInput(
            f"All {len(rows)} training images are constant: there is nothing to tell them apart by. Look at the images "
            "and at how they were preprocessed."
        )


def _refuse_small_batches(task: ClusterTask) -> None:
    """Refuse batches of which a rank would get nothing."""
    if task.batch_size < world_size():
        raise BadInput(
            f"A batch of {task.batch_size} images cannot be shared among {world_size()} processes. Use fewer --gpus or "
            "--nodes, a larger --batch-size, or more training images."
        )
