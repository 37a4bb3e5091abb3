"""The options of `medcl segment train --method translated`, and which of all options go with which method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, field_validator

from medcl.networks.registry import UNET
from medcl.workflows.options import Options, flag, flag_name, split_words
from medcl.workflows.translation_images import TranslationImagesOptions

TRANSLATED = "translated"
NONE = "none"
PANEL = "Method translated"

SEEN_BY_GENERATOR = {"gamma": 0.0, "noise": 0.0, "brightness": 0.05, "contrast": 0.1}
"""Augmentation of intensities before a generator, unless told: what `medcl translate train` showed it by default."""

OWN = (
    *("translation", "source", "target", "source_preprocessed", "target_preprocessed", "target_study"),
    *("widths", "deep_supervision", "average"),
)
"""Options that have a part in this method alone."""

OTHERS = (
    *("network", "decoders", "loss", "consistency_weight", "ramp_up", "confidence", "teacher", "mix", "preprocessed"),
    *("labeled", "labeled_patients", "labeled_share", "unlabeled_from", "encoder_lr", "init_from"),
)
"""Options that have no part in it."""


class TranslatedOptions(TranslationImagesOptions):
    """Options of a segmentation of the target that learns from the source's masks."""

    translation: str | None = flag(
        None,
        "Run of `medcl translate train` whose generator translates the source's slices, or none: they are learned from "
        "as they are (baseline). Intensities are augmented before a generator as that command does unless told.",
        metavar="RUN|none",
        panel=PANEL,
    )
    widths: list[int] = flag(
        [32, 64, 128, 256, 512],
        "Channels of the U-Net's levels, the finest first.",
        metavar="A,B,...",
        panel=PANEL,
    )
    deep_supervision: int = flag(0, "So many coarser levels of the U-Net learn too.", ge=0, panel=PANEL)
    average: float = flag(
        0.0,
        "Momentum of a moving average of the U-Net, which is what is kept, such as 0.999; 0 for none.",
        ge=0,
        lt=1,
        panel=PANEL,
    )

    @field_validator("widths", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("translation", mode="after")
    @classmethod
    def _where_the_run_is(cls, name: str | None, info: ValidationInfo) -> str | None:
        """A path that holds from wherever the run is resumed; a name is that of a run of the study."""
        if name is None or name == NONE or (Path(info.data.get("study") or ".") / "runs" / name).exists():
            return name
        return str(Path(name).absolute()) if Path(name).exists() else name


def method_problems(options: TranslatedOptions, method: str, resume: bool) -> Iterator[str]:
    """Yield what does not go with the method, in sentences.

    Args:
        options: of `medcl segment train`, all of them.
        method: that was chosen.
        resume: whether a run goes on, whose options are read later.
    """
    if method != TRANSLATED:
        plain_unet = getattr(options, "network", None) == UNET
        if idle := _changed(options, (name for name in OWN if not (plain_unet and name == "widths"))):
            verb = "goes" if len(idle) == 1 else "go"
            yield f"{', '.join(idle)} {verb} with --method {TRANSLATED}, not with --method {method}."
        return
    if idle := _changed(options, OTHERS):
        verb = "has" if len(idle) == 1 else "have"
        yield (
            f"{', '.join(idle)} {verb} no part in --method {TRANSLATED}, which learns from the source's masks alone."
        )
    if options.translation is None and not resume:
        yield (
            f"--method {TRANSLATED} needs --translation RUN, a run of `medcl translate train`, or --translation {NONE} "
            "to learn from source slices as they are."
        )
    levels = len(options.widths)
    if levels < 2 or min(options.widths) < 1:
        yield f"--widths {','.join(map(str, options.widths))}: expected two numbers or more, each 1 or more."
    elif options.deep_supervision > levels - 2:
        yield (
            f"--deep-supervision {options.deep_supervision}: a U-Net of {levels} --widths has {levels - 2} levels to "
            "supervise."
        )


def _changed(options: Options, names: Iterable[str]) -> list[str]:
    """Flags of those options that are not at their default; medcl.toml may hold the default itself."""
    fields = type(options).model_fields
    return [flag_name(name) for name in names if getattr(options, name) != fields[name].default]
