"""What a finished translation training writes to be looked at: hallucination.csv and translation.html."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.figures.translation.epochs import read_epoch_panels
from medcl.figures.translation.hallucination_table import TranslatedImage
from medcl.figures.translation.page import TranslationPage, write_translation_page
from medcl.study.image_filter import ImageFilter
from medcl.study.label_classes import LabelClass
from medcl.study.plural import counted
from medcl.study.runs import Run
from medcl.training.metrics import FILE as METRICS
from medcl.workflows.translation_check import CheckedImage, TranslationCheck, check_translations, write_check

if TYPE_CHECKING:
    from medcl.workflows.translate_train import TranslateTrainOptions
    from medcl.workflows.translation_training import MadeTranslation, PreparedTranslation

PAGE = "translation.html"


def write_page(run: Run, prepared: PreparedTranslation, made: MadeTranslation, options: TranslateTrainOptions) -> Path:
    """Look at the translations of held-out patients, and write the table and the page; return the page.

    Raises:
        BadInput: a slice cannot be read.
        RunFailed: the disk is full.
    """
    images = prepared.images
    made.method.eval()
    check = check_translations(made.method.kept_generator, images.domains, images.classes, prepared.device)
    write_check(run.path, check, images.classes)
    page = TranslationPage(
        source=_word(options.source, images.source.path.name),
        target=_word(options.target, images.target.path.name),
        run=run.name,
        head=_head(prepared, options),
        panels=read_epoch_panels(run.path),
        patients="validation patients" if check.split == "val" else "training patients",
        rows=_metrics(run),
        classes=[each.name for each in images.classes],
        images=[_shown(place, image, images.classes, options) for place, image in enumerate(check.images, start=1)],
        target_means=check.target_means,
        said=_said(check),
        facts=_facts(run, options),
    )
    write_translation_page(run.path / PAGE, page)
    return run.path / PAGE


def _word(text: str | None, name: str) -> str:
    """What a side is called in the title: the values of its filter, or the name of its store."""
    return " ".join(value for _, value in ImageFilter.parse(text).conditions) if text else name


def _head(prepared: PreparedTranslation, options: TranslateTrainOptions) -> dict[str, str]:
    images = prepared.images
    y, x = images.size[1:]
    chosen = {
        "jointly with a segmentation": options.segment,
        "its loss kept from the generator": options.detach_translated,
        "organ-aware negatives": options.organ_negatives,
        f"moving average {options.average:g}": options.average > 0,
        f"self-training {options.self_training:g}": options.self_training > 0,
        f"deep supervision of {options.deep_supervision}": options.deep_supervision > 0,
    }
    told = ", ".join(word for word, there in chosen.items() if there)
    return {
        "Source": f"{options.source or 'all images'} of preprocessed/{images.source.path.name}",
        "Target": f"{options.target or 'all images'} of preprocessed/{images.target.path.name}",
        "Slices": f"{y} x {x} pixels",
        "Method": told or "translation alone",
        "Generator": f"{counted(options.filters, 'filter')}, {counted(options.blocks, 'block')}",
        "Training": f"{counted(options.epochs, 'epoch')}, {counted(options.batch_size or 1, 'slice')} of each side a "
        "step",
    }


def _said(check: TranslationCheck) -> list[str]:
    """What a reader must know first."""
    if not check.images:
        return []
    before, after = (
        sum(getattr(image, side) for image in check.images) / len(check.images) for side in ("before", "after")
    )
    said = [
        f"Intensities lie {after:.3f} from the target's after translation and {before:.3f} before it (Wasserstein "
        "distance on the scale of 0 to 1)."
    ]
    if after >= before:
        said.append("So the translation does not look more like the target than the source did.")
    if check.split == "train":
        said.append("No patient of the source is held out for validation: training patients are shown.")
    return said


def _shown(
    place: int, image: CheckedImage, classes: list[LabelClass], options: TranslateTrainOptions
) -> TranslatedImage:
    found = {each.label: (each.source_mean, each.translated_mean) for each in image.found.labels}
    return TranslatedImage(
        f"image {place}" if options.no_ids else image.case,
        image.found.mutual_information,
        image.found.chance,
        {each.name: found[each.value] for each in classes if each.value in found},
    )


def _metrics(run: Run) -> list[dict[str, str]]:
    with (run.path / METRICS).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _facts(run: Run, options: TranslateTrainOptions) -> dict[str, str]:
    return {"Seed": str(options.seed), "Device": str(run.record.get("device", ""))}
