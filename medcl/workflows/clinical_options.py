"""The option --clinical, which every command that uses variables shares: clinical tables beside cohort.csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo, field_validator

from medcl.study.errors import BadInput
from medcl.workflows.options import STUDY_TABLE, Options, flag, split_words

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort
    from medcl.study.folder import Study

SHARED = ("clinical",)
"""Settings that stand in medcl.toml's table [study], for every command at once."""


class ClinicalOptions(Options):
    """Options of a command that reads clinical variables."""

    clinical: list[Path] = flag(
        [],
        "Clinical table (one row a patient, one an exam, or laboratory readings), joined by patient beside the study's "
        "clinical.csv; may be repeated.",
        metavar="FILE",
    )

    @field_validator("clinical", mode="before")
    @classmethod
    def _files(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("clinical")
    @classmethod
    def _found(cls, value: list[Path], info: ValidationInfo) -> list[Path]:
        """Absolute paths, so that a run can be resumed from anywhere; what is not here is looked for in the study."""
        root = info.data.get("study") or Path()
        return [(path if path.exists() else root / path).absolute() for path in value]

    @classmethod
    def _stored(cls, given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The command's own settings over those of the table [study]."""
        own, where = super()._stored(given)
        if given.get("resume"):
            return own, where
        tables, file = cls._tables(given)
        shared = tables.get(STUDY_TABLE, {})
        unknown = [name for name in shared if name not in SHARED]
        if unknown:
            raise BadInput(f"{file} [{STUDY_TABLE}] {unknown[0]}: no such setting; known: {', '.join(SHARED)}.")
        return {**shared, **own}, where or file


def read_options_cohort(study: Study, options: ClinicalOptions) -> Cohort:
    """The study's cohort with its clinical tables, those of the options among them.

    Raises:
        BadInput: as `read_study_cohort`.
    """
    from medcl.study.study_cohort import read_study_cohort

    return read_study_cohort(study, options.clinical)
