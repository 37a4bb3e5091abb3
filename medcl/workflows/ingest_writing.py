"""Writes what `medcl preprocess --from` found: images, cohort.csv, series.csv, and under a key what is private."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.files import write_text
from medcl.study.folder import Study
from medcl.workflows.ingest_naming import Named
from medcl.workflows.pool import run_jobs
from medcl.workflows.progress import progress

if TYPE_CHECKING:
    from medcl.imaging.dicom.convert import Conversion, Converted
    from medcl.study.pseudonyms import Pseudonyms

IMAGES = "images"
SERIES = "series.csv"
SOURCES = "sources.csv"
COHORT_COLUMNS = ("patient", "exam", "sequence", "image", "mask", "modality", "site", "scanner", "days")
SERIES_COLUMNS = (
    "patient",
    "exam",
    "sequence",
    "used",
    "note",
    "modality",
    "site",
    "scanner",
    "slices",
    "phase",
    "seconds",
    "size z y x",
    "spacing z y x [mm]",
    "description",
    "source",
)
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


@dataclass(frozen=True)
class Row:
    """A row of series.csv before it is written: an image, a series that is none, or a file."""

    used: bool
    note: str
    source: Path
    named: Named | None = None
    converted: Converted | None = None


@dataclass
class Writer:
    """Writes the tables and images of one ingest.

    Attributes:
        study: where to.
        root: the tree that was scanned.
        pseudonyms: None leaves names as they are.
        images: what stands in cohort.csv.
        rows: of series.csv.
    """

    study: Study
    root: Path
    pseudonyms: Pseudonyms | None
    images: list[Named] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def series_file(self) -> Path:
        """The series table."""
        return self.study.root / SERIES

    def write(
        self,
        usable: Sequence[Named],
        left_out: Sequence[Named],
        files: Sequence[tuple[Path, str]],
        workers: int | None,
    ) -> int:
        """Convert the images and write all tables; returns how many images an earlier run had converted.

        Args:
            usable: what goes into the cohort.
            left_out: series that do not, each with its reason.
            files: files that are no image, and why.
            workers: processes.

        Raises:
            RunFailed: the disk is full.
        """
        self._check_targets(usable)
        if self.pseudonyms is not None:
            self.pseudonyms.write()  # before anything bears a pseudonym
        done, masks, damaged = self._convert(usable, workers)
        seen: dict[tuple[str, str], Named] = {}
        cohort = []
        for each in usable:
            made = done[id(each)]
            note = made.problem if made else ""
            if made and made.content and not note:
                twin = seen.setdefault((each.patient, made.content), each)
                if twin is not each:
                    note = f"the same voxels as {_label(twin)}"
            told = [*each.found.notes, *damaged.get(id(each), [])]
            self.rows.append(Row(not note, note or "; ".join(told), each.found.source, each, made))
            if not note:
                self.images.append(each)
                cohort.append(self._cohort_row(each, masks))
            elif made and not made.problem:
                self._target(each).unlink()
        self.rows += [Row(False, each.reason, each.found.source, each) for each in left_out]
        self.rows += [Row(False, reason, path) for path, reason in files]
        self._write_series()
        if cohort:
            used = [name for name in COHORT_COLUMNS if name in COHORT_COLUMNS[:4] or any(row[name] for row in cohort)]
            write_text(self.study.cohort_file, _csv([used, *([row[name] for name in used] for row in cohort)]))
        return sum(made is not None and made.kept for made in done.values())

    def _convert(
        self, usable: Sequence[Named], workers: int | None
    ) -> tuple[dict[int, Converted | None], dict[int, Path], dict[int, list[str]]]:
        """By id of an image: its outcome (None for NIfTI that stays where it is), its mask, or why it has none."""
        from medcl.imaging.dicom.convert import Conversion, convert

        jobs: list[Conversion] = []
        of: dict[Path, int] = {}
        masks: dict[int, Path] = {}
        damaged: dict[int, list[str]] = {}
        for each in usable:
            found, target = each.found, self._target(each)
            if not self._is_converted(each):
                continue
            of[target] = id(each)
            jobs.append(Conversion(target, found.head, found.members, None if found.head else found.source))
            if found.mask is not None:
                masks[id(each)] = target.with_name(target.name.replace(".nii.gz", "_mask.nii.gz"))
                of[masks[id(each)]] = id(each)
                jobs.append(Conversion(masks[id(each)], nifti=found.mask, labels=True))
        done: dict[int, Converted | None] = {id(each): None for each in usable}
        with progress("Converting", len(jobs)) as step:
            for job, made in run_jobs(convert, jobs, workers):
                if not job.labels:
                    done[of[job.target]] = made
                elif made.problem:
                    del masks[of[job.target]]
                    damaged[of[job.target]] = [f"used without its mask, which {made.problem}"]
                step(1)
        return done, masks, damaged

    def _check_targets(self, usable: Sequence[Named]) -> None:
        """Refuse to write among what is read, and two images into one file, capitals or not."""
        converted = [each for each in usable if self._is_converted(each)]
        if converted and (self.study.root / IMAGES).is_relative_to(self.root):
            raise BadInput(
                f"--from holds the study folder itself, and images would be written to {IMAGES}/ in it: give the "
                "folder of the raw files alone, or another --study folder."
            )
        names: dict[str, Named] = {}
        problems = []
        for each in converted:
            twin = names.setdefault(self._target(each).name.casefold(), each)
            if twin is not each:
                problems.append(f"{_label(twin)} and {_label(each)} would be one file: rename one of them.")
        if problems:
            raise BadInput(problems)

    def _is_converted(self, each: Named) -> bool:
        """Whether an image is written anew: DICOM always, NIfTI when its own name would tell the patient."""
        return each.found.head is not None or self.pseudonyms is not None

    def _target(self, each: Named) -> Path:
        parts = [part for part in (each.patient, each.exam, each.sequence) if part]
        return self.study.root / IMAGES / f"{_UNSAFE.sub('-', '_'.join(parts))}.nii.gz"

    def _cohort_row(self, each: Named, masks: dict[int, Path]) -> dict[str, str]:
        found = each.found
        converted = self._is_converted(each)
        mask = masks.get(id(each)) if converted else found.mask
        return {
            "patient": each.patient,
            "exam": each.exam,
            "sequence": each.sequence,
            "image": self._path(self._target(each) if converted else found.source),
            "mask": self._path(mask) if mask else "",
            "modality": found.modality,
            "site": found.site,
            "scanner": found.scanner,
            "days": "" if each.days is None else str(each.days),
        }

    def _path(self, path: Path) -> str:
        """Relative to the study where the file lies in it, so that the study can be moved."""
        inside = path.is_relative_to(self.study.root)
        return path.relative_to(self.study.root).as_posix() if inside else str(path)

    def _write_series(self) -> None:
        """series.csv; pseudonymized without descriptions and paths, which private/sources.csv keeps."""
        from medcl.study.pseudonyms import write_private

        ids: dict[tuple[Path, str], str] = {}
        lines = []
        for row in self.rows:
            path = str(row.source.relative_to(self.root))
            description = row.named.found.description if row.named else ""
            if self.pseudonyms is not None:
                key = (row.source, description)
                path, description = ids.setdefault(key, f"source-{len(ids) + 1}"), ""
            lines.append([*_series_cells(row), description, path])
        names = [name for name in SERIES_COLUMNS if name != "description" or self.pseudonyms is None]
        keep = [index for index, name in enumerate(SERIES_COLUMNS) if name in names]
        write_text(self.series_file, _csv([names, *([line[index] for index in keep] for line in lines)]))
        if self.pseudonyms is not None:
            rows = [[name, description, str(path)] for (path, description), name in ids.items()]
            write_private(self.pseudonyms.folder, SOURCES, [["source", "description", "path"], *rows])


def check_cohort(study: Study, overwrite: bool) -> None:
    """Refuse to replace a cohort.csv that has rows; the empty one of `medcl init` may go.

    Raises:
        BadInput: it has rows and `overwrite` is not set, or the study is no folder.
    """
    if study.root.exists() and not study.root.is_dir():
        raise BadInput(f"--study {study.root}: is a file, expected a folder.")
    if overwrite or not study.cohort_file.exists():
        return
    lines = study.cohort_file.read_text(encoding="utf-8", errors="replace").splitlines()
    if len([line for line in lines if line.strip() and not line.lstrip().startswith("#")]) > 1:
        raise BadInput(
            f"{study.cohort_file} is there already, and --from would write a new one: move it away, give another "
            "--study folder, or replace it with --overwrite (what was added to it by hand is then lost)."
        )


def _series_cells(row: Row) -> list[str]:
    """All but the last two cells of a row of series.csv."""
    named, made = row.named, row.converted
    if named is None:
        return ["", "", "", "no", row.note, *[""] * 8]
    found = named.found
    return [
        named.patient,
        named.exam,
        named.sequence,
        "yes" if row.used else "no",
        row.note,
        found.modality,
        found.site,
        found.scanner,
        str(found.slices or ""),
        f"{found.phase} of {found.phases}" if found.phase else "",
        "" if found.seconds is None else f"{found.seconds:g}",
        " ".join(map(str, made.shape)) if made else "",
        " ".join(f"{mm:.4g}" for mm in made.spacing) if made else "",
    ]


def _label(each: Named) -> str:
    return " ".join(part for part in (each.patient, each.exam, each.sequence) if part)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    comment = any(row[0].startswith("#") for row in rows)  # would be read as a comment without quotes
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if comment else csv.QUOTE_MINIMAL).writerows(rows)
    return text.getvalue()
