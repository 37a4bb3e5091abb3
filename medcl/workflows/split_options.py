"""The options that say which patients are held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import field_validator

from medcl.workflows.options import Options, flag

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort
    from medcl.study.splits import Splits

SPLIT = "Held-out patients"


class SplitOptions(Options):
    """Options of the split of the patients."""

    stratify: str | None = flag(
        None, "Balance the split on this variable's patient means or classes.", metavar="NAME", panel=SPLIT
    )
    leave_site: str | None = flag(None, "Hold out every patient of this site.", metavar="NAME", panel=SPLIT)
    splits: Path | None = flag(None, "A splits.csv (patient, split) to use.", metavar="FILE", panel=SPLIT)

    @field_validator("splits", mode="after")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Keep a path that holds from wherever the run is resumed."""
        return None if path is None else path.absolute()


def split_patients(options: SplitOptions, cohort: Cohort, seed: int, folds: int | None = None) -> Splits:
    """Divide the cohort's patients as the options say.

    Args:
        options: of the command.
        cohort: all of it: which patients are held out must not depend on what is preprocessed by now.
        seed: of the draw.
        folds: so many splits, each with other patients held out.

    Raises:
        BadInput: the variable, the site or the file cannot be used.
    """
    from medcl.study.split_file import read_splits
    from medcl.study.splits import make_splits

    return make_splits(
        cohort.frame,
        seed=seed,
        stratify=cohort.variable(options.stratify) if options.stratify else None,
        folds=folds,
        leave_site=options.leave_site,
        given=read_splits(options.splits) if options.splits else None,
    )


def split_notes(splits: Splits) -> list[str]:
    """What the user should know about a split, in sentences."""
    counts = splits.counts(splits.folds[0])
    told = ", ".join(f"{count} {part}" for part, count in counts.items())
    every = f" in each of {len(splits.folds)} folds, about" if len(splits.folds) > 1 else ""
    return [f"Patients{every}: {told}.", *splits.notes]
