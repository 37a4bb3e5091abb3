"""What each method of `medcl segment train` prepares, trains and leaves behind, in one form for the command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medcl.networks.registry import UNET
from medcl.workflows.translated_options import TRANSLATED

if TYPE_CHECKING:
    import torch

    from medcl.study.folder import Study
    from medcl.study.runs import Run
    from medcl.training.dry_run import Forecast
    from medcl.training.result import TrainingResult
    from medcl.workflows.segment_train import SegmentTrainOptions


@dataclass(frozen=True)
class SegmentTraining:
    """What the methods do each in its own way, checked and ready.

    Attributes:
        notes: what the user should know.
        inputs, words: hash of each thing that goes in, and what it is.
        images: entries of the stores.
        labelled: ids of the labelled patients.
        device: where it trains.
        outputs: files that it leaves.
        forecast: does the dry run.
        build: makes the training, which then takes the run.
    """

    notes: list[str]
    inputs: Mapping[str, str]
    words: Mapping[str, str]
    images: Iterable[Any]
    labelled: list[str]
    device: torch.device
    outputs: list[str]
    forecast: Callable[[], Forecast]
    build: Callable[[], Callable[[Run], TrainingResult]]


def training_of(study: Study, options: SegmentTrainOptions) -> SegmentTraining:
    """Read the study and refuse what the method cannot train on.

    Raises:
        BadInput: with what is missing or wrong.
    """
    return (_from_translated if options.method == TRANSLATED else _from_images)(study, options)


def _from_images(study: Study, options: SegmentTrainOptions) -> SegmentTraining:
    """Of the methods ideal and supervised."""
    from medcl.workflows.segmentation_training import INPUTS, build, dry_run_segmentation, prepare, train_segmentation

    prepared = prepare(study, options)

    def built() -> Callable[[Run], TrainingResult]:
        made = build(prepared, options)
        return lambda run: train_segmentation(prepared, made, options, run)

    return SegmentTraining(
        notes=prepared.notes,
        inputs=prepared.inputs,
        words=INPUTS,
        images=prepared.store.entries,
        labelled=prepared.labelled,
        device=prepared.device,
        outputs=["segmenter.safetensors", *(["encoder.safetensors"] if prepared.network != UNET else [])],
        forecast=lambda: dry_run_segmentation(prepared, options),
        build=built,
    )


def _from_translated(study: Study, options: SegmentTrainOptions) -> SegmentTraining:
    """Of the method translated."""
    from medcl.workflows.translated_training import INPUTS, build, dry_run_translated, prepare, train_translated

    prepared = prepare(study, options)

    def built() -> Callable[[Run], TrainingResult]:
        made = build(prepared, options)
        return lambda run: train_translated(prepared, made, options, run)

    return SegmentTraining(
        notes=prepared.notes,
        inputs=prepared.inputs,
        words=INPUTS,
        images=[*prepared.images.source.entries, *prepared.images.target.entries],
        labelled=prepared.labelled,
        device=prepared.device,
        outputs=["segmenter.safetensors"],
        forecast=lambda: dry_run_translated(prepared, options),
        build=built,
    )
