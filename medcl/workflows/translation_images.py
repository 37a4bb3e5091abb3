"""Which images are translated and what they shall look like: the source and the target of translation.

Both are filters of one cohort (`--source modality=ct --target modality=mr`) or come from two studies. Nothing is
paired: a patient may have images of one side alone. Masks of target images are never learned from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo, field_validator

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.image_filter import ImageFilter
from medcl.study.label_classes import classes_to_json, refuse_unknown_values
from medcl.study.short_hash import short_hash
from medcl.study.splits import Splits, make_splits
from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.options import flag
from medcl.workflows.split_options import SplitOptions, split_notes

if TYPE_CHECKING:
    from medcl.data.domains import Domains
    from medcl.data.samples import Samples
    from medcl.imaging.store import VolumeStore
    from medcl.study.cohort import Cohort
    from medcl.study.label_classes import LabelClass
    from medcl.study.variable import Variable

DOMAINS = "Source and target"
DEFAULT = "default"

OTHER_SPACING = 0.1
"""Relative difference of the sides' pixel spacings above which the user is told (ours)."""


class TranslationImagesOptions(SplitOptions, ClinicalOptions):
    """Which images are the source and which the target."""

    source: str | None = flag(
        None,
        "Which images are translated: columns of cohort.csv and their values, such as modality=ct; several are joined "
        "by a comma. All of --source-preprocessed unless told.",
        metavar="COLUMN=VALUE",
        panel=DOMAINS,
    )
    target: str | None = flag(
        None,
        "Which images they shall look like, such as modality=mr; all of --target-preprocessed unless told.",
        metavar="COLUMN=VALUE",
        panel=DOMAINS,
    )
    source_preprocessed: str | None = flag(
        None, "Name of the source's preprocessed slices; default unless told.", metavar="NAME", panel=DOMAINS
    )
    target_preprocessed: str | None = flag(
        None, "Name of the target's preprocessed slices; default unless told.", metavar="NAME", panel=DOMAINS
    )
    target_study: Path | None = flag(
        None, "Study folder of the target's images; the same study unless told.", metavar="DIR", panel=DOMAINS
    )

    @field_validator("source", "target")
    @classmethod
    def _is_filter(cls, text: str | None, info: ValidationInfo) -> str | None:
        return None if text is None else ImageFilter.parse(text, f"--{info.field_name}").text

    @field_validator("target_study", mode="after")
    @classmethod
    def _holds_everywhere(cls, path: Path | None) -> Path | None:
        return None if path is None else path.absolute()


@dataclass(frozen=True)
class DomainImages:
    """Source and target images, checked.

    Attributes:
        source, target: stores with the images of each side alone.
        domains: their slices side by side, with the sides of the split.
        splits: of the patients of both.
        classes: what the source's masks hold; [] where none were asked for.
        notes: what the user should know.
        inputs: hashes of what goes in, for run.json.
    """

    source: VolumeStore
    target: VolumeStore
    domains: Domains
    splits: Splits
    classes: list[LabelClass]
    notes: list[str]
    inputs: dict[str, str]

    @property
    def size(self) -> tuple[int, int, int]:
        """(1, y, x) of the slices."""
        return self.domains.samples.size

    def card(self, side: str, options: TranslationImagesOptions) -> dict[str, Any]:
        """How the images of "source" or "target" were chosen and prepared, for a run's card."""
        store: VolumeStore = getattr(self, side)
        chosen = self.domains.source if side == "source" else ~self.domains.source
        return {
            "filter": getattr(options, side) or "",
            "preprocessed": store.path.name,
            "recipe": store.recipe.to_json(),
            "recipe_key": store.recipe.key(),
            "modalities": sorted({entry.modality for entry in store.entries}),
            "spacing": [round(float(step), 4) for step in self.domains.samples.spacings()[chosen].mean(axis=0)],
        }


INPUTS = {
    "source_volumes": "the source's preprocessed slices and masks",
    "target_volumes": "the target's preprocessed slices",
    "splits": "the split of the patients",
    "labels": "the label classes of medcl.toml",
}
"""What goes into a run, in words."""


def read_domains(study: Study, options: TranslationImagesOptions, seed: int, *, masks: bool) -> DomainImages:
    """Open both sides, split their patients, and refuse what cannot be trained on.

    Args:
        study: of the source.
        options: of the command.
        seed: of the split.
        masks: whether the source's masks are needed.

    Raises:
        BadInput: a side is empty, both are the same images, sizes differ, an image stands on two sides of the split,
            or masks that are needed are missing or hold other values than the classes.
    """
    from medcl.data.domains import join_domains

    _refuse_one_side(options)
    source, target = _open_sides(study, options)
    splits = _split(source, target, options, seed)
    sides = splits.of(1)
    _refuse_leaks(source, target, sides)
    samples = _samples(source, sides), _samples(target, sides)
    domains = join_domains(*samples)
    classes, notes = _classes(study, source, target, samples[0], sides) if masks else ([], [])
    told = dict.fromkeys((*source.cohort.notes, *target.cohort.notes, *split_notes(splits)))
    return DomainImages(
        source=source.store,
        target=target.store,
        domains=domains,
        splits=splits,
        classes=classes,
        notes=[*told, *_counts(domains), *_apart(source.store, target.store, domains), *notes],
        inputs={
            "source_volumes": source.store.fingerprint(),
            "target_volumes": target.store.fingerprint(),
            "splits": short_hash(splits.frame.to_csv(index=False)),
            "labels": short_hash(json.dumps(classes_to_json(classes))),
        },
    )


@dataclass(frozen=True)
class _Side:
    """The images of one side: the study's table of them, and what is stored."""

    word: str
    cohort: Cohort
    store: VolumeStore
    cases: set[str]


def _refuse_one_side(options: TranslationImagesOptions) -> None:
    if options.source is None and options.target is None and options.target_study is None:
        names = {options.source_preprocessed or DEFAULT, options.target_preprocessed or DEFAULT}
        if len(names) == 1:
            raise BadInput(
                "Which images are translated and what they shall look like is not told: give filters, such as --source "
                "modality=ct --target modality=mr, or the names of two stores with --source-preprocessed and "
                "--target-preprocessed."
            )


def _open_sides(study: Study, options: TranslationImagesOptions) -> tuple[_Side, _Side]:
    cohort = read_options_cohort(study, options)
    source = _side("--source", options.source, study, cohort, options.source_preprocessed)
    other = study if options.target_study is None else Study.find(options.target_study)
    theirs = cohort if other is study else read_options_cohort(other, options)
    return source, _side("--target", options.target, other, theirs, options.target_preprocessed)


def _side(word: str, text: str | None, study: Study, cohort: Cohort, name: str | None) -> _Side:
    from medcl.imaging.store import VolumeStore

    cases = ImageFilter.parse(text, word).cases(cohort) if text is not None else set(cohort.cases())
    store = VolumeStore.open(study.preprocessed(name or DEFAULT))
    if not store.sliced:
        raise BadInput(
            f"{word}-preprocessed {store.path.name}: holds volumes, and translation works on slices: run `medcl "
            f"preprocess --name NAME --slices axial`."
        )
    there = store.only(cases)
    if not there.entries:
        chosen = f"{word} {text}" if text is not None else "cohort.csv"
        raise BadInput(
            f"None of the {len(cases)} images of {chosen} is in {store.path}: name the store that holds them with "
            f"{word}-preprocessed, or run `medcl preprocess`."
        )
    return _Side(word, cohort, there, cases)


def _split(source: _Side, target: _Side, options: TranslationImagesOptions, seed: int) -> Splits:
    """The split of all patients; a patient with images of both sides is on one side of it, whatever the study."""
    from medcl.study.split_file import read_splits

    cohort = source.cohort if source.cohort is target.cohort else _both(source, target)
    given = read_splits(options.splits) if options.splits else None
    stratify = cohort.variable(options.stratify) if options.stratify else None
    if stratify is None and given is None and not (cohort.frame["split"] != "").any():
        stratify = _side_variable(cohort, source, target)
    return make_splits(cohort.frame, seed=seed, stratify=stratify, leave_site=options.leave_site, given=given)


def _both(source: _Side, target: _Side) -> Cohort:
    """The images of two studies in one table; names of the target's that the source has too are told apart."""
    import pandas as pd

    theirs = target.cohort.frame.assign(case=[_target_case(case) for case in target.cohort.frame["case"]])
    return replace(source.cohort, frame=pd.concat([source.cohort.frame, theirs], ignore_index=True))


def _target_case(case: str) -> str:
    return f"target {case}"


def _side_variable(cohort: Cohort, source: _Side, target: _Side) -> Variable:
    """Source or target, by which the split is balanced, so that each side has patients in every part."""
    import pandas as pd

    from medcl.study.variable import Variable

    one = source.cohort is target.cohort
    theirs = target.cases if one else {_target_case(case) for case in target.cases}
    cases = cohort.cases()
    words = ["target" if case in theirs else "source" if case in source.cases else None for case in cases]
    return Variable("side", "side", "", "categorical", pd.Series(words, index=cases, dtype=object))


def _samples(side: _Side, sides: dict[str, str]) -> Samples:
    from medcl.data.samples import build_samples

    return build_samples(side.store, side.cohort, sides)


def _refuse_leaks(source: _Side, target: _Side, sides: dict[str, str]) -> None:
    from medcl.study.leakage import check_images

    check_images([*source.store.entries, *target.store.entries], sides)


def _classes(
    study: Study, source: _Side, target: _Side, samples: Samples, sides: dict[str, str]
) -> tuple[list[LabelClass], list[str]]:
    """The classes of the source's masks; masks of the target, where there are any, may hold no others."""
    from medcl.data.labelled_patients import choose_labelled_patients
    from medcl.workflows.mask_classes import classes_of_masks, label_counts

    try:
        chosen = choose_labelled_patients(samples)
    except BadInput as error:
        raise BadInput([f"The source's masks are needed: {problem}" for problem in error.problems]) from None
    classes, notes = classes_of_masks(study, source.store, sides, chosen.patients)
    for entry in target.store.entries:
        if entry.label_file and sides.get(entry.patient) != "test":
            counts = label_counts(target.store.labels(entry))
            refuse_unknown_values(counts, classes, f"The mask of the target's image {entry.case}")
    return classes, [*chosen.notes, *notes]


def _counts(domains: Domains) -> list[str]:
    samples = domains.samples
    told = []
    for word, chosen in (("Source", domains.source), ("Target", ~domains.source)):
        images = len(set(samples.cases[chosen].tolist()))
        people = len(set(samples.patients[chosen].tolist()))
        told.append(f"{word}: {int(chosen.sum())} slices of {images} images of {people} patients.")
    return told


def _apart(source: VolumeStore, target: VolumeStore, domains: Domains) -> list[str]:
    """Notes where slices of the two lie otherwise, or a pixel of one is larger: organs then differ in look or size."""
    planes = source.recipe.slices, target.recipe.slices
    notes = []
    if planes[0] != planes[1]:
        notes.append(
            f"Slices of the source are {planes[0]} and of the target {planes[1]}: `medcl preprocess --slices` makes "
            "them alike."
        )
    return notes + _spacing_note(domains)


def _spacing_note(domains: Domains) -> list[str]:
    spacings = domains.samples.spacings()
    source, target = (spacings[chosen].mean(axis=0) for chosen in (domains.source, ~domains.source))
    apart = abs(source[1:] / target[1:] - 1).max()
    if apart <= OTHER_SPACING:
        return []
    here, there = (" x ".join(f"{step:.2f}" for step in each[1:]) for each in (source, target))
    return [
        f"Pixels of the source are {here} mm and of the target {there} mm: organs differ in size between them. "
        "`medcl preprocess --slice-spacing` makes them alike."
    ]
