"""`medcl cluster train`: groups of alike images without any label, and what is typical of each.

The method of Ferrante et al. (Contrastive learning for unsupervised medical image clustering and reconstruction, 2023):
a contrastive autoencoder, prototypes by k-means, and a decoder that is conditioned on the soft assignment. What is
joined stands in `workflows/cluster_training.py`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput
from medcl.study.runs import Run
from medcl.training.settings import TrainingSettings
from medcl.workflows.cluster_options import PAGE, ClusterPageOptions
from medcl.workflows.options import flag, flag_name
from medcl.workflows.processes import in_processes
from medcl.workflows.split_options import SplitOptions
from medcl.workflows.training_options import TRAINING, TrainingOptions

if TYPE_CHECKING:
    from medcl.training.dry_run import Forecast
    from medcl.training.result import TrainingResult

KIND = "cluster"
METHOD = "Method"
AUGMENTATION = "Augmentation"

PAPER_WARMUP = 10.0
"""Epochs of linear warm-up of the paper, which trains for 100 epochs."""

log = logging.getLogger("medcl")


class ClusterTrainOptions(ClusterPageOptions, SplitOptions, TrainingOptions):
    """Group unlabelled images by a contrastive autoencoder, and show what is typical of each group.

    First half of the epochs: two views of an image attract, and a decoder rebuilds them. Then k-means on the features
    gives the prototypes. Second half: the encoder stays as it is, and the decoder learns with the soft assignment.
    Takes preprocessed images of the study, or a MedMNIST-style file with --npz. Research use only.
    """

    section: ClassVar[str] = "cluster.train"

    clusters: Annotated[int, Field(ge=2)] | Literal["auto"] = flag(
        "auto",
        "How many clusters: a number, or auto for the elbow of k-means over 2 to --most.",
        metavar="auto|K",
        panel=METHOD,
    )
    most: int = flag(20, "Largest number of clusters that auto looks at.", ge=3, panel=METHOD)
    grouping: Literal["kmeans", "mixture"] = flag(
        "kmeans", "k-means on the features, or a Gaussian mixture on a UMAP of them.", panel=METHOD
    )
    assign: Literal["cosine", "euclidean"] = flag(
        "cosine", "How an image is compared with the prototypes; the paper's is cosine.", panel=METHOD
    )
    assignment_temperature: float = flag(
        0.1, "Temperature of the soft assignment: smaller is harder.", gt=0, panel=METHOD
    )
    network: str = flag(
        "conv3", f"The encoder: {', '.join(NETWORKS)}; the paper's is conv3.", metavar="NAME", panel=METHOD
    )
    contrast: Literal["nt-xent", "decoupled"] = flag(
        "nt-xent", "NT-Xent, or the paper's equation 1, whose sum holds the negatives only.", panel=METHOD
    )
    temperature: float = flag(0.5, "Temperature of the contrastive loss.", gt=0, panel=METHOD)
    reconstruction_weight: float = flag(
        0.1, "Weight of the reconstruction beside the contrastive loss.", ge=0, panel=METHOD
    )
    contrastive_epochs: int | None = flag(
        None, "Epochs of the first phase; half of all unless told.", ge=1, panel=METHOD
    )

    epochs: int = flag(100, "Epochs of both phases together.", ge=2, panel=TRAINING)
    batch_size: int | None = flag(None, "Images of a step; 512 unless told.", ge=2, panel=TRAINING)
    optimizer: Literal["sgd", "adam", "adamw", "lars"] = flag(
        "lars", "The optimizer; the paper's is LARS.", panel=TRAINING
    )
    lr: float = flag(0.25, "Learning rate at the end of the warm-up.", gt=0, panel=TRAINING)
    start_lr: float | None = flag(
        None, "Learning rate of the first step; a twenty-fifth of --lr unless told.", gt=0, panel=TRAINING
    )
    end_lr: float | None = flag(  # type: ignore[assignment]  # follows --lr, so that it has no number of its own
        None, "Learning rate at the end; a fifth of --lr unless told.", ge=0, panel=TRAINING
    )
    warmup_epochs: float | None = flag(
        None, "Epochs of linear warm-up; 10 unless told, or a tenth of fewer than 100 epochs.", ge=0, panel=TRAINING
    )
    clip: float = flag(0.0, "Largest gradient norm; 0 does not clip.", ge=0, panel=TRAINING)
    cache: Literal["auto", "on", "off"] = flag(
        "auto",
        "Keep all images in the device's memory and read them once; auto does where they fit in a quarter of what is "
        "free, or in 1 GiB on the CPU.",
        panel=TRAINING,
    )

    probability: float = flag(
        0.5, "Probability of each change of a view: mirroring, rotation, crop, blur, noise, ...", ge=0, le=1,
        panel=AUGMENTATION,
    )  # fmt: skip
    rotation: float = flag(30.0, "Largest rotation about each axis, in degrees.", ge=0, le=180, panel=AUGMENTATION)
    mirror: bool = flag(True, "Whether views are mirrored left and right.", panel=AUGMENTATION)
    crop: tuple[float, float] = flag(
        (0.6, 1.0),
        "Smallest and largest side of a box that is cut out and enlarged, as parts of the image's; 1 1 for none.",
        metavar="LOW HIGH",
        panel=AUGMENTATION,
    )
    blur: float = flag(1.0, "Largest standard deviation of the blur, in voxels.", ge=0, le=10, panel=AUGMENTATION)
    noise: float = flag(0.05, "Largest standard deviation of the noise.", ge=0, panel=AUGMENTATION)
    gamma: float = flag(0.0, "Largest change of the logarithm of gamma.", ge=0, le=3, panel=AUGMENTATION)
    brightness: float = flag(0.0, "Largest shift of intensities, which lie in [0, 1].", ge=0, le=1, panel=AUGMENTATION)
    contrast_change: float = flag(0.0, "Largest relative change of contrast.", ge=0, lt=1, panel=AUGMENTATION)

    stability: int = flag(
        20,
        "Repetitions with other seeds and with patients drawn anew that tell how stable the clusters are; 0 for none.",
        ge=0,
        panel=PAGE,
    )

    @field_validator("clusters", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        first = self.first_phase
        problems = [
            problem
            for problem, wrong in (
                (
                    f"--network is '{self.network}'; known are {', '.join(NETWORKS)}.",
                    self.network not in NETWORKS,
                ),
                (
                    f"--contrastive-epochs {first} of --epochs {self.epochs}: the second phase needs one at least.",
                    first >= self.epochs,
                ),
                (
                    "--init-from has no part here: features of another run would be grouped, not these images'.",
                    self.init_from is not None,
                ),
                (
                    "--stratify and --leave-site go with images of a study; those of --npz have their own split, or "
                    "one of --splits.",
                    self.npz is not None and bool(self.stratify or self.leave_site),
                ),
                (
                    "--overwrite replaces the run of --name NAME; it does not go without it, nor with --resume.",
                    self.overwrite and (self.resume or self.name is None),
                ),
                (
                    f"--crop is {self.crop[0]:g} {self.crop[1]:g}; expected two numbers in (0, 1], the smaller first.",
                    not 0 < self.crop[0] <= self.crop[1] <= 1,
                ),
            )
            if wrong
        ]
        try:
            self.settings()
        except BadInput as error:
            problems += error.problems
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @property
    def first_phase(self) -> int:
        """Epochs of the contrastive autoencoder."""
        return self.contrastive_epochs or self.epochs // 2

    @property
    def stem(self) -> str:
        """The telling start of a run's name, such as cluster-5."""
        return "cluster" if self.clusters == "auto" else f"cluster-{self.clusters}"

    def settings(self) -> TrainingSettings:
        """These options as the training loop takes them, with the paper's rates where none were told.

        Raises:
            BadInput: naming what does not fit together.
        """
        warmup = self.warmup_epochs
        if warmup is None:
            warmup = min(PAPER_WARMUP, self.epochs / 10)
        rates = {
            "warmup_epochs": warmup,
            "start_lr": self.lr / 25 if self.start_lr is None else self.start_lr,
            "end_lr": self.lr / 5 if self.end_lr is None else self.end_lr,
        }
        return TrainingOptions.settings(self.model_copy(update=rates))


@dataclass(frozen=True)
class Clustered:
    """What a training came to.

    Attributes:
        run: the run folder; None after a dry run.
        result: of the training; None after a dry run.
        forecast: of a dry run; None otherwise.
        sizes: training images of each cluster.
        page: what to look at; None after a dry run, and in all processes but the first.
        seconds: of the whole command.
    """

    run: Run | None
    result: TrainingResult | None
    forecast: Forecast | None
    sizes: list[int]
    page: Path | None
    seconds: float


def cluster_train(options: ClusterTrainOptions) -> Clustered:
    """Train in two phases, put every image to its cluster and write tables, pictures and a page.

    Raises:
        BadInput: the study, the options or the images cannot be used; told before any folder is made.
        RunFailed: a loss was not finite, the features fall together, the disk is full, or the run was stopped.
    """
    from medcl.workflows.training_run import options_of_stopped_run

    return in_processes(_cluster_train, options, lambda asked: options_of_stopped_run(KIND, asked))


def _cluster_train(options: ClusterTrainOptions) -> Clustered:
    """What one process does; of several the first one keeps the run folder."""
    from medcl.training.distributed import is_main
    from medcl.workflows.cluster_run import write_clusters
    from medcl.workflows.cluster_training import INPUTS, build, dry_run_clustering, prepare, train_clustering
    from medcl.workflows.cluster_writing import check_page_options
    from medcl.workflows.training_run import begin_run, failure_recorded, take_up, tell_prepared

    started = time.monotonic()
    study, run, options = take_up(KIND, options)
    prepared = prepare(study, options)
    check_page_options(prepared.images, options)
    tell_prepared(study, prepared.inputs, [*prepared.notes, *_without_effect(options)])
    if options.dry_run:
        forecast = dry_run_clustering(prepared, options)
        return Clustered(None, None, forecast, [], None, time.monotonic() - started)
    made = build(prepared, options)  # refuses what cannot train before a folder is made or replaced
    run = begin_run(
        study,
        KIND,
        options.stem,
        options,
        run,
        images=prepared.images.store.entries,
        device=prepared.device,
        inputs=prepared.inputs,
        words=INPUTS,
    )
    written = None
    with failure_recorded(run):
        result = train_clustering(prepared, made, options, run)
        if is_main():
            written = write_clusters(run, prepared, made, options)
    seconds = time.monotonic() - started
    if is_main() and written is not None:
        run.finish(outputs=written.files, seconds=seconds)
    sizes = written.sizes if written else []
    return Clustered(run, result, None, sizes, written.page if written else None, seconds)


def _without_effect(options: ClusterTrainOptions) -> list[str]:
    """A note when values were given that have no part in what was chosen."""
    if options.resume:
        return []
    idle = ["most"] if options.clusters != "auto" and "most" in options.model_fields_set else []
    if options.optimizer not in ("sgd", "lars") and "momentum" in options.model_fields_set:
        idle.append("momentum")
    told = ", ".join(map(flag_name, idle))
    return [f"Without effect in this run: {told}."] if idle else []
