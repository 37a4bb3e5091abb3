"""`medcl preprocess --from DIR`: from a tree of DICOM or NIfTI files to a first cohort.csv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from medcl.imaging.dicom.rules import LEAVE_OUT, PHASE_SERIES, SEQUENCES, pattern_of, read_rule
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.options import Options, flag, split_words

if TYPE_CHECKING:
    from medcl.study.pseudonyms import Pseudonyms
    from medcl.workflows.ingest_naming import Named, Reference
    from medcl.workflows.ingest_scan import Scan

PANEL = "First cohort"
COMPONENTS = ("magnitude", "water", "fat", "in-phase", "out-phase")

_SHOWN_REASONS = 8


class IngestOptions(Options):
    """Options of the step that writes a first cohort.csv; `medcl preprocess` has them too."""

    from_: Path | None = flag(
        None,
        "Write a first cohort.csv from this folder of DICOM or NIfTI files, and series.csv with what was left out "
        "and why; then look at both and run again without it.",
        metavar="DIR",
        panel=PANEL,
    )
    pseudonymize: bool = flag(
        False,
        "Name patients P001, P002, ... everywhere; private/key.csv alone tells who they are. Keep that folder to "
        "yourself.",
        panel=PANEL,
    )
    patient_from: Literal["header", "folder"] = flag(
        "header", "What names a patient: the DICOM header's patient id, or the first folder below DIR.", panel=PANEL
    )
    reference_date: tuple[str, str] | None = flag(
        None,
        "A table with a column patient, and the column of the dates that days are counted from (transplantation, ...).",
        metavar="FILE COLUMN",
        panel=PANEL,
    )
    exams: list[str] = flag(
        [],
        "With --reference-date: exams such as D15,D30,M3,M12 that dates count as when they are near (10 days, or a "
        "quarter of the time); others are called by their day.",
        panel=PANEL,
    )
    sequences: list[str] = flag(
        list(SEQUENCES),
        "Rules NAME=PATTERN that name sequences by words of the series description; * is the rest of a word, #2 at the "
        "end the second phase of a series.",
        metavar="NAME=PATTERN,...",
        panel=PANEL,
    )
    leave_out: list[str] = flag(
        list(LEAVE_OUT),
        "Words of the descriptions of series to leave out: localisers, calibrations, reformatted images.",
        panel=PANEL,
    )
    phase_series: list[str] = flag(
        list(PHASE_SERIES),
        "Words of the descriptions of series that are phases of one another, when they lie voxel on voxel and were "
        "acquired one after the other with equal settings.",
        panel=PANEL,
    )
    components: list[str] = flag(
        ["magnitude", "water"],
        f"What images may show: {', '.join(COMPONENTS)}. The others of a Dixon series are left out.",
        panel=PANEL,
    )
    _split = field_validator("exams", "sequences", "leave_out", "phase_series", "components", mode="before")(
        split_words
    )

    @field_validator("sequences")
    @classmethod
    def _are_rules(cls, value: list[str]) -> list[str]:
        for text in value:
            read_rule(text)
        return value

    @field_validator("exams")
    @classmethod
    def _tell_a_time(cls, value: list[str]) -> list[str]:
        from medcl.study.exams import exam_days

        without = [label for label in value if exam_days(label) is None]
        if without:
            raise ValueError(f"'{without[0]}' tells no time: labels such as D15 or M3 are expected")
        return value

    @field_validator("components")
    @classmethod
    def _are_components(cls, value: list[str]) -> list[str]:
        unknown = [each for each in value if each not in COMPONENTS]
        if unknown or not value:
            raise ValueError(f"expected some of {', '.join(COMPONENTS)}")
        return value


@dataclass(frozen=True)
class Ingested:
    """What came out.

    Attributes:
        cohort, series: the tables written.
        private: the key of the pseudonyms; None without.
        images, patients, exams: of the cohort.
        files: that were looked at.
        kept: images that an earlier run had converted.
        left_out: number of files and series that give no image, by reason.
        notes: what a person should look at.
    """

    cohort: Path
    series: Path
    private: Path | None
    images: int
    patients: int
    exams: int
    files: int
    kept: int
    left_out: Counter[str]
    notes: list[str]


def ingest(options: IngestOptions, *, workers: int | None = None, overwrite: bool = False) -> Ingested:
    """Write cohort.csv and series.csv of a tree, and the images as NIfTI where it holds DICOM or is pseudonymized.

    Args:
        options: what to look at and how to name it.
        workers: processes; one for each core unless told.
        overwrite: replace a cohort.csv that has rows.

    Raises:
        BadInput: the tree holds no image that can be used, a table or rule cannot be understood, or a cohort.csv is
            there already.
        RunFailed: the disk is full.
    """
    from medcl.study.cohort import read_cohort
    from medcl.study.pseudonyms import Pseudonyms
    from medcl.workflows import ingest_scan, ingest_writing
    from medcl.workflows.ingest_naming import in_order

    assert options.from_ is not None
    study = Study((options.study or Path()).absolute())
    root = Path(options.from_).absolute()
    ingest_writing.check_cohort(study, overwrite)
    pseudonyms = Pseudonyms.read(study.root) if options.pseudonymize else None
    scan = ingest_scan.scan(root, workers, [pattern_of(each) for each in options.phase_series])
    named, notes = _named(options, study, scan, pseudonyms)
    writer = ingest_writing.Writer(study, root, pseudonyms)
    left_out = [each for each in named if each.reason]
    kept = writer.write(in_order([each for each in named if not each.reason]), left_out, scan.left_out, workers)
    counts = Counter(row.note.split(":", 1)[0] for row in writer.rows if not row.used)
    if not writer.images:
        raise BadInput([_nothing(root if pseudonyms is None else None, scan.files), *_listed(counts)])
    read_cohort(study.cohort_file)  # what was written can be read: no id or name is taken for something else
    return Ingested(
        cohort=study.cohort_file,
        series=writer.series_file,
        private=pseudonyms.folder if pseudonyms else None,
        images=len(writer.images),
        patients=len({each.patient for each in writer.images}),
        exams=len({(each.patient, each.exam) for each in writer.images}),
        files=scan.files,
        kept=kept,
        left_out=counts,
        notes=notes,
    )


def _named(
    options: IngestOptions, study: Study, scan: Scan, pseudonyms: Pseudonyms | None
) -> tuple[list[Named], list[str]]:
    """Everything that was found with its names, or the reason why it is left out; and notes."""
    from medcl.workflows import ingest_naming as naming

    found = [*scan.images, *(each for each, _ in scan.refused)]
    refused = [""] * len(scan.images) + [reason for _, reason in scan.refused]
    named, notes = naming.name_patients(found, options.patient_from)
    reference, more = _reference(options, study, [each.patient for each in named])
    words = [pattern_of(each) for each in options.leave_out]
    named = [
        replace(each, reason=reason or naming.reason_to_leave_out(each, options.components, words))
        for each, reason in zip(named, refused, strict=True)
    ]
    named = naming.name_exams(named, reference)
    rules = [read_rule(text) for text in options.sequences]
    named = naming.name_sequences(named, rules, free_text=pseudonyms is None)
    if pseudonyms is not None:
        named = naming.pseudonymize(named, pseudonyms)
        notes = ["Patient ids were unified, or one id stands for several folders: see private/key.csv."] * bool(notes)
    notes += more + naming.same_names(named)
    if options.reference_date is None and any(each.days is not None for each in named):
        notes.append("Days count from each patient's first examination; --reference-date counts from another day.")
    return named, notes


def _reference(options: IngestOptions, study: Study, patients: Sequence[str]) -> tuple[Reference, list[str]]:
    from medcl.workflows.ingest_naming import Reference
    from medcl.workflows.ingest_reference import reference_dates

    if options.reference_date is None:
        if options.exams:
            raise BadInput("--exams names dates as exams and needs --reference-date FILE COLUMN to count from.")
        return Reference(), []
    name, column = options.reference_date
    file = Path(name) if Path(name).exists() else study.root / name
    dates, notes = reference_dates(file, column, sorted(set(patients) - {""}))
    if options.pseudonymize:  # ids of patients must not be shown
        notes = [note.split(":", 1)[0] + "." for note in notes]
    return Reference(dates, tuple(options.exams)), notes


def _nothing(root: Path | None, files: int) -> str:
    where = f"--from {root}" if root else "--from"
    return f"{where}: none of {files} files gives an image that can be used, expected CT or MR in DICOM, or NIfTI."


def _listed(counts: Counter[str]) -> list[str]:
    lines = [f"{count} x {reason}" for reason, count in counts.most_common(_SHOWN_REASONS)]
    rest = len(counts) - _SHOWN_REASONS
    return lines + ([f"and {rest} other reasons"] if rest > 0 else [])
