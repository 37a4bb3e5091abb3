"""`medcl evaluate`: what features tell of a clinical variable in patients that their encoder never saw."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.options import flag, split_words

if TYPE_CHECKING:
    from medcl.workflows.evaluate_scoring import Compared, Scored

PROBES = ("linear", "knn")
BASELINES = ("mean", "clinical", "pixels")
FOLDER = "evaluations"
_LONGEST_NAME = 100

log = logging.getLogger("medcl")


class EvaluateOptions(ClinicalOptions):
    """Score what features tell of a clinical variable, in patients that the encoder never saw.

    Probes are fitted on a run's training patients, and beside that inside its held-out patients; both are scored on
    held-out patients, with intervals, next to baselines. Numbers are regressed, classes classified. Research use only.
    """

    section: ClassVar[str] = "evaluate"

    target: str | None = flag(
        None, "Variable that is predicted: gfr, screat@365+-60, rejection, site, ...", metavar="NAME"
    )
    event: str | None = flag(
        None, "Whether the event came (1/0, yes/no): the time to it, --target or --time, is predicted.", metavar="NAME"
    )
    time: str | None = flag(None, "Time to the event, or to the end of follow-up without it.", metavar="NAME")
    horizon: float | None = flag(
        None,
        "Of a time to an event: whether it comes within so many days, as two classes. Of a number with readings: its "
        "value on that day.",
        gt=0,
        metavar="DAYS",
    )
    window: float = flag(90, "Days before and after --horizon whose readings count.", ge=0, metavar="DAYS")
    features: list[str] = flag(
        [],
        "Tables of features, compared with each other: names in features/ or CSV files; the newest unless told.",
        metavar="A,B,...",
    )
    exam: list[str] = flag([], "Score these exams only.")
    sequence: list[str] = flag([], "Use these sequences only.")
    sequences: Literal["mean", "concatenate"] = flag(
        "mean", "How the images of an exam become one row: averaged, or sequences side by side."
    )
    probe: list[str] = flag(["linear"], "Probes: linear (ridge, logistic, Cox), knn.", metavar="A,B,...")
    adjust: list[str] = flag(
        [], "Variables beside the features, such as age,sex; they alone are a baseline then.", metavar="A,B,..."
    )
    leave_site: bool = flag(False, "Fit on the other sites and score each site in turn.")
    baselines: list[str] = flag(
        list(BASELINES),
        "Baselines: mean (a guess), clinical (see --clinical-features), pixels (principal components); none leaves "
        "them out.",
        metavar="A,B,...",
    )
    clinical_features: list[str] = flag([], "Variables of the clinical baseline.", metavar="A,B,...")
    allow_seen: bool = flag(False, "Score patients that the encoder may have seen, too; the table and the page say so.")
    permutations: int = flag(999, "Permutations behind a p, at most; 0 leaves p out.", ge=0)
    bootstrap: int = flag(2000, "Draws of patients behind an interval.", ge=20)
    seed: int = flag(0, "Of the draws, permutations and inner parts.", ge=0)
    name: str | None = flag(None, "Name of the folder in evaluations/; TARGET-FEATURES unless told.", metavar="NAME")
    page: bool = flag(True, "Draw evaluation.html.")
    no_ids: bool = flag(False, "Leave the patients' names out of the page (predictions.csv keeps them).")
    overwrite: bool = flag(False, "Replace an evaluation of the same name.")

    @field_validator("features", "exam", "sequence", "probe", "adjust", "baselines", "clinical_features", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("probe")
    @classmethod
    def _known_probes(cls, value: list[str]) -> list[str]:
        if not value or set(value) - set(PROBES):
            raise ValueError(f"the probes are {', '.join(PROBES)}")
        return list(dict.fromkeys(value))

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, value: list[str]) -> list[str]:
        if value == ["none"]:
            return []
        if not value or set(value) - set(BASELINES):
            raise ValueError(f"the baselines are {', '.join(BASELINES)}, or none")
        return list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _fits_together(self) -> EvaluateOptions:
        if self.allow_seen and self.leave_site:
            raise ValueError("--allow-seen does not go with --leave-site: a site is scored by held-out patients only.")
        if (self.event or self.time) and self.horizon is None and "knn" in self.probe:
            raise ValueError(
                "--probe knn: for the time to an event there is the linear probe only (Cox); give --horizon, or leave "
                "knn out."
            )
        if self.window != 90 and (self.horizon is None or self.event or self.time):
            raise ValueError("--window goes with --horizon and a number with readings only.")
        if self.clinical_features and "clinical" not in self.baselines:
            raise ValueError("--clinical-features: the clinical baseline is not among --baselines.")
        asked = "baselines" in self.model_fields_set and "clinical" in self.baselines
        if asked and not self.clinical_features and not self.adjust:
            raise ValueError("--baselines clinical: name its variables with --clinical-features, such as age,sex.")
        if self.name is not None and (not self.name or Path(self.name).name != self.name or self.name.startswith(".")):
            raise ValueError(f"--name {self.name}: give a plain folder name.")
        return self


@dataclass(frozen=True)
class Evaluated:
    """What was found and written.

    Attributes:
        folder: of the files.
        page: None where none was wanted.
        target: its name.
        scored: the rows of the table.
        compared: the comparisons.
        seconds: it took.
    """

    folder: Path
    page: Path | None
    target: str
    scored: list[Scored]
    compared: list[Compared]
    seconds: float


def evaluate(options: EvaluateOptions) -> Evaluated:
    """Score features beside baselines.

    Raises:
        BadInput: no or an unknown target, no features, no held-out patients, options that do not go together, or an
            evaluation that exists.
        RunFailed: the disk is full.
    """
    from medcl.workflows.evaluate_candidates import candidates
    from medcl.workflows.evaluate_files import PAGE, write_evaluation
    from medcl.workflows.evaluate_scoring import compare_all, score_candidates
    from medcl.workflows.evaluate_tables import read_feature_sets
    from medcl.workflows.evaluate_target import choose_target

    started = time.monotonic()
    study = Study.find(options.study)
    cohort = read_options_cohort(study, options)
    target = choose_target(cohort, options)
    sets = read_feature_sets(study, cohort, options)
    target.require_varied([exam for each in sets for exam in each.keys])
    folder = _free_folder(study, options, [target.name, *(each.name for each in sets)])
    found = candidates(study, cohort, sets, target, options)
    said = [*target.said, *(word for each in sets for word in each.said), *found.said]
    for note in [*cohort.notes, *said]:
        log.info(note)
    said = [*([] if options.no_ids else cohort.notes), *said]  # how tables joined is told with names of patients
    scored = score_candidates(found.every, cohort, target, options)
    compared, more = compare_all(scored, options)
    seconds = time.monotonic() - started
    done = Evaluated(folder, folder / PAGE if options.page else None, target.name, scored, compared, seconds)
    write_evaluation(study, done, target, sets, [*said, *more], options)
    return done


def _free_folder(study: Study, options: EvaluateOptions, parts: list[str]) -> Path:
    own = re.sub(r"[^\w.+-]+", "-", "-".join(parts))[:_LONGEST_NAME].strip("-.")
    folder = study.root / FOLDER / (options.name or own)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file, and the evaluation needs a folder: give another name with --name.")
    if folder.is_dir() and any(folder.iterdir()) and not options.overwrite:
        raise BadInput(f"{folder} exists. Replace it with --overwrite, or give another name with --name.")
    return folder
