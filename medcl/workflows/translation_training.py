"""A translation training: its slices, its method, its run and the networks that it leaves behind.

Joins the rooms: study (cohort, splits, classes), imaging (stores), data (domains, task, loader), networks, methods and
training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from medcl.data.augmentation import Augmentation
from medcl.data.loader import Loader
from medcl.data.source import TaskSource
from medcl.data.translation_options import TranslationTaskOptions
from medcl.data.translation_task import TranslationTask
from medcl.evaluation.saved_segmenter import STEM as SEGMENTER
from medcl.evaluation.saved_translator import STEM as GENERATOR
from medcl.methods.translation import Translation, TranslationOptions
from medcl.networks.discriminator import LEAST, Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.taps import PAPER_TAPS, STEM_TAPS
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import classes_to_json
from medcl.study.plural import counted
from medcl.study.runs import Run
from medcl.training.device import resolve_device
from medcl.training.distributed import is_main, own_rows, world_size
from medcl.training.dry_run import Forecast, dry_run
from medcl.training.export import export_encoder, load_encoder_weights, restore_best
from medcl.training.randomness import seed_everything
from medcl.training.result import TrainingResult
from medcl.workflows.device_cache import cache_bytes
from medcl.workflows.starting_weights import refuse_leaking_weights
from medcl.workflows.training_folder import train_in
from medcl.workflows.translation_images import DomainImages, read_domains
from medcl.workflows.translation_panels import PanelMaker

if TYPE_CHECKING:
    from medcl.workflows.translate_train import TranslateTrainOptions


@dataclass(frozen=True)
class PreparedTranslation:
    """All that a training needs, checked.

    Attributes:
        images: of both sides.
        device: where it trains.
    """

    images: DomainImages
    device: torch.device


@dataclass(frozen=True)
class MadeTranslation:
    """A training, ready to begin."""

    task: TranslationTask
    method: Translation
    source: TaskSource


def prepare(study: Study, options: TranslateTrainOptions) -> PreparedTranslation:
    """Read the study and refuse what cannot be trained on.

    Raises:
        BadInput: with what is missing or wrong.
    """
    device = resolve_device(options.device)
    images = read_domains(study, options, options.seed, masks=options.segment or options.organ_negatives)
    _refuse_small_slices(images)
    if options.init_from is not None:
        for store in (images.source, images.target):
            refuse_leaking_weights(options.init_from, study, store, images.splits.of(1))
    return PreparedTranslation(images, device)


def build(prepared: PreparedTranslation, options: TranslateTrainOptions) -> MadeTranslation:
    """Make the task, the method and the loader, and load --init-from.

    Raises:
        BadInput: the batches, the slices' size or the weights cannot be used.
    """
    images = prepared.images
    task = TranslationTask(
        images.domains,
        TranslationTaskOptions(
            seed=options.seed,
            batch_size=options.batch_size or 1,
            steps=options.steps_per_epoch,
            empty_share=options.empty_slices,
        ),
    )
    if task.batch_size % world_size():
        raise BadInput(
            f"A batch of {counted(task.batch_size, 'source slice')} cannot be shared equally among {world_size()} "
            "processes. Use another --gpus or --nodes, or a --batch-size that they divide."
        )
    seed_everything(options.seed)  # the networks' first weights follow the seed
    method = _method(images, options, task)
    loader = Loader(
        images.domains.samples,
        _augmentation(options),
        seed=options.seed,
        device=prepared.device,
        workers=options.workers,
        cache_bytes=cache_bytes(options.cache, prepared.device),
        classes=[each.value for each in images.classes] or None,
    )
    return MadeTranslation(task, method, TaskSource(task, loader, own_rows))


def train_translation(
    prepared: PreparedTranslation, made: MadeTranslation, options: TranslateTrainOptions, run: Run
) -> TrainingResult:
    """Train in the run's folder, draw panels on the way and export the last networks; the first rank writes."""
    images = prepared.images
    panels = PanelMaker(
        made.method,
        images.domains,
        run.path,
        device=prepared.device,
        classes=images.classes,
        seed=options.seed,
        every=options.panel_every or max(1, options.epochs // 10),
        epochs=options.epochs,
        ids=not options.no_ids,
    )
    result = train_in(
        run.path,
        made.method,
        made.task,
        made.source,
        images.splits.only(1),
        options,
        device=prepared.device,
        inputs=images.inputs,
        after_epoch=panels.draw,
    )
    if is_main():
        epoch = restore_best(made.method, result.best)
        _export(images, made.method, options, run, epoch)
    return result


def dry_run_translation(prepared: PreparedTranslation, options: TranslateTrainOptions) -> Forecast:
    """Train two steps and tell what the run would take; nothing is written."""
    made = build(prepared, options)
    return dry_run(made.method, made.source, options.settings(), device=prepared.device, options={})


def _method(images: DomainImages, options: TranslateTrainOptions, task: TranslationTask) -> Translation:
    taps = _taps(options)
    generator = Generator(options.filters, options.blocks)
    taps = tuple(name for name in taps if name in generator.names)
    projection = PatchProjection(generator.tap_channels(taps))
    discriminator = Discriminator(options.discriminator_filters)
    segmenter = None
    if options.segment:
        segmenter = UNet(images.size, len(images.classes) + 1, options.widths, options.deep_supervision)
    if options.init_from is not None:
        load_encoder_weights(generator, options.init_from, _generator_architecture(images, options), GENERATOR)
    if options.compile:
        _compile(generator, discriminator, segmenter)
    return Translation(
        generator,
        discriminator,
        projection,
        segmenter,
        TranslationOptions(
            taps=taps,
            patches=options.patches,
            temperature=options.temperature,
            gan_weight=options.gan_weight,
            nce_weight=options.nce_weight,
            identity_weight=options.identity_weight,
            segmentation_weight=options.segmentation_weight,
            reduction=options.nce_reduction,
            detach_translated=options.detach_translated,
            organ_negatives=options.organ_negatives,
            average=options.average,
            self_training=options.self_training,
            self_training_ramp=round(options.self_training_ramp * options.epochs * task.steps),
            confidence=options.confidence,
            seed=options.seed,
        ),
    )


def _compile(generator: Generator, discriminator: Discriminator, segmenter: UNet | None) -> None:
    """In place, so that names of weights stay; of the generator its blocks, since a step calls it in parts."""
    for network in (*generator.residuals, discriminator, segmenter):
        if network is not None:
            network.compile()


def _refuse_small_slices(images: DomainImages) -> None:
    """The discriminator needs more pixels than generator and segmenter, and meets the slices in the first step only."""
    y, x = images.size[1:]
    if min(y, x) < LEAST:
        raise BadInput(
            f"The slices have {y} x {x} pixels (y x), and the discriminator needs {LEAST} x {LEAST} or more: run "
            "`medcl preprocess` for both sides with a larger --slice-size."
        )


def _taps(options: TranslateTrainOptions) -> tuple[str, ...]:
    return STEM_TAPS if options.first_tap == "stem" else PAPER_TAPS


def _augmentation(options: TranslateTrainOptions) -> Augmentation:
    return Augmentation(
        flip_probability=options.flip,
        affine_probability=options.affine,
        rotation_degrees=options.rotation,
        scale=options.scaling,
        blur_probability=0.0,
        noise_sd=options.noise,
        brightness=options.brightness,
        contrast=options.contrast,
        sharpness=options.sharpness,
        elastic=options.elastic,
    )


def _export(images: DomainImages, method: Translation, options: TranslateTrainOptions, run: Run, epoch: int) -> None:
    """The generator with both recipes; the segmenter as one of target images, which it is for."""
    source, target = images.card("source", options), images.card("target", options)
    shared = {
        "run": run.name,
        "epoch": epoch,
        "method": "translation",
        "classes": classes_to_json(images.classes),
        "data": images.inputs["source_volumes"],
    }
    architecture = _generator_architecture(images, options)
    card = {**shared, "source": source, "target": target, "architecture": architecture}
    export_encoder(method.kept_generator, run.path, card, GENERATOR)
    if method.kept_segmenter is not None:
        network = {
            "network": "unet",
            "size": list(images.size),
            "channels": 1,
            "classes": len(images.classes) + 1,
            "widths": options.widths,
            "deep": options.deep_supervision,
        }
        told = {name: target[name] for name in ("recipe", "recipe_key", "modalities", "spacing", "preprocessed")}
        export_encoder(
            method.kept_segmenter, run.path, {**shared, **told, "target": target, "architecture": network}, SEGMENTER
        )


def _generator_architecture(images: DomainImages, options: TranslateTrainOptions) -> dict[str, Any]:
    return {"filters": options.filters, "blocks": options.blocks, "size": list(images.size), "channels": 1}
