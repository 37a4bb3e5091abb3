"""The page of `medcl translate train`: samples, losses, and what translations kept of their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medcl.figures import sortable_table
from medcl.figures.page import fact_list, footer, notes, page
from medcl.figures.translation import curves, epochs, hallucination_table
from medcl.figures.translation.epochs import EpochPanels
from medcl.figures.translation.hallucination_table import TranslatedImage
from medcl.figures.translation.loss_charts import loss_charts
from medcl.study.files import write_text

STYLE = """
dl.head { margin: 16px 0 0; }
nav.parts { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 12px 0 0; }
body section:not(.notes) { margin-top: 24px; scroll-margin-top: 10px; }
section > h2 { font-size: 17px; break-after: avoid; }
.tools { z-index: 3; }
"""

PARTS = {"samples": "Samples", "curves": "Losses", "hallucination": "What was kept"}

ABOUT_SAMPLES = (
    "Slices of {patients} that stay the same throughout, their translations, and beside each the real target slices "
    "of training patients that look most like it (least mean squared difference when both are brought to 16 × 16 "
    "pixels). They are of other people: they show how the target looks, not how the translation should. The patient's "
    "right is on the left."
)
READING = (
    "A translation is a picture that a network made: it can add what is not there and leave out what is. It is for "
    "training other networks and no basis for any finding.",
    "Losses of adversarial networks do not fall like others: look at the samples, at the contrast beside its chance "
    "value and at the validation.",
    "The distance of Inception features (FID) that is often given for translations is not used: its network is no part "
    "of medcl.",
)
CITE = (
    "Zeng W, Fan W, Shen D, Chen Y, Luo X. Contrastive translation learning for medical image segmentation. 2023: "
    "the method, with the segmentation network.",
    "Park T, Efros AA, Zhang R, Zhu J-Y. Contrastive learning for unpaired image-to-image translation. ECCV 2020: "
    "PatchNCE and the networks that translate.",
)


@dataclass(frozen=True)
class TranslationPage:
    """What the page tells.

    Attributes:
        source, target: of the translation, in words, such as "ct" and "mr".
        run: its name.
        head: facts above everything: source and target, options, networks, epochs, device.
        panels: sample pictures; `read_epoch_panels` takes a page's number of them out of a run.
        patients: whose slices the samples are.
        rows: of metrics.csv.
        classes: names of the label classes; () without masks.
        images: validation images with what was kept of them.
        target_means: by class, mean intensity in real target images, as far as it is known.
        said: what a reader must know first: notes and warnings.
        facts: settings, seed and versions, for the footer.
    """

    source: str
    target: str
    run: str
    head: Mapping[str, str]
    panels: Sequence[EpochPanels] = ()
    patients: str = "validation patients"
    rows: Sequence[Mapping[str, object]] = ()
    classes: Sequence[str] = ()
    images: Sequence[TranslatedImage] = ()
    target_means: Mapping[str, float] = field(default_factory=dict)
    said: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def write_translation_page(path: Path, told: TranslationPage) -> None:
    """Write the page, whole or not at all.

    Raises:
        RunFailed: the file cannot be written.
    """
    write_text(path, translation_page(told))


def translation_page(told: TranslationPage) -> str:
    """The whole page as HTML; blocks without content are left out."""
    blocks = [
        epochs.samples(told.panels, ABOUT_SAMPLES.format(patients=told.patients)),
        curves.curves(loss_charts(told.rows, told.classes)),
        hallucination_table.hallucination_table(told.images, told.classes, told.target_means),
    ]
    body = [
        fact_list(told.head, "facts head") if told.head else "",
        notes("Before you read on", told.said),
        _links(blocks),
        *blocks,
        notes("How to read this page", READING),
        notes("How to cite", CITE),
        footer(told.facts),
    ]
    done = max((each.epoch for each in told.panels), default=0)
    return page(
        f"Translation from {told.source} to {told.target}",
        body,
        kicker="medcl · translate train",
        subtitle=" · ".join([told.run, *([f"samples up to epoch {done}"] if done else [])]),
        style=sortable_table.STYLE + epochs.STYLE + curves.STYLE + hallucination_table.STYLE + STYLE,
    )


def _links(blocks: Sequence[str]) -> str:
    there = "".join(blocks)
    links = "".join(
        f'<a href="#{part}">{title}</a>' for part, title in PARTS.items() if f'<section id="{part}"' in there
    )
    return f'<nav class="parts screen-only" aria-label="Parts of this page">{links}</nav>' if links else ""
