"""`medcl prompts preview`: every prompt of the cohort with the row it came from, before anything is trained."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import field_validator, model_validator

from medcl.study.errors import BadInput
from medcl.study.files import write_text
from medcl.study.folder import Study
from medcl.study.image_filter import ImageFilter
from medcl.study.plural import counted
from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.options import flag, split_words

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort
    from medcl.study.prompt_rules import PromptRules
    from medcl.study.prompts import CohortPrompts, Prompt

log = logging.getLogger("medcl")


class PromptsPreviewOptions(ClinicalOptions):
    """Print the clinical prompts that rules make of the cohort, each with its image and its row of cohort.csv.

    The rules say which words the values of a variable become, and hold the templates with slots for them. A sentence
    whose value is missing is dropped; an image with nothing left has no prompt. The study's prompts.toml is taken
    where it is there, else the rules for kidney transplantation that come with medcl. Research use only.
    """

    section: ClassVar[str] = "prompts.preview"

    rules: Path | None = flag(
        None,
        "Rules and templates; the study's prompts.toml unless told, and without one medcl's own for kidney "
        "transplantation.",
        metavar="FILE",
    )
    only: list[str] = flag(
        [],
        "Only images whose row in cohort.csv holds this value, such as exam=D15; of several, repeated or with commas "
        "between them, all must hold. Values are still those of all of a patient's exams.",
        metavar="COLUMN=VALUE",
    )
    all_templates: bool = flag(
        False, "Print each image's prompt by every template; one unless told, the templates in turn."
    )
    distinct: bool = flag(False, "Print every different prompt once, by all templates and synonyms, without images.")
    csv: Path | None = flag(None, "Also write the prompts of the images to this table.", metavar="FILE")
    overwrite: bool = flag(False, "Replace the table of --csv.")

    @field_validator("only", mode="before")
    @classmethod
    def _conditions(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("only")
    @classmethod
    def _readable(cls, value: list[str]) -> list[str]:
        try:
            for condition in value:
                ImageFilter.parse(condition)
        except BadInput:
            raise ValueError("COLUMN=VALUE is expected, such as exam=D15") from None
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.distinct and self.all_templates and self.csv is None:
            raise ValueError("--all-templates has no meaning with --distinct, which is over all templates: give one.")
        return self


@dataclass(frozen=True)
class PromptsPreviewed:
    """What the rules make of the cohort.

    Attributes:
        rules: whose prompts these are.
        prompts: of the images, in the order of cohort.csv.
        texts: every different prompt, by all templates and synonyms.
        distinct: whether those are what is to be printed.
        statements: how many different things the prompts say, templates and synonyms aside.
        images: how many were looked at.
        without: images without any prompt, with their rows.
        missing: by slot, in how many of the images it has no words.
        table: what --csv wrote.
    """

    rules: PromptRules
    prompts: list[Prompt]
    texts: list[str]
    distinct: bool
    statements: int
    images: int
    without: list[tuple[str, int]]
    missing: dict[str, int]
    table: Path | None


def prompts_preview(options: PromptsPreviewOptions) -> PromptsPreviewed:
    """Write the prompts of the study's images.

    Raises:
        BadInput: the rules or the tables cannot be used, they do not fit together, no image is chosen, or the table of
            --csv is there already.
        RunFailed: that table cannot be written.
    """
    from medcl.study.prompt_rules import find_prompt_rules
    from medcl.study.prompts import write_prompts

    study = Study.find(options.study)
    rules = find_prompt_rules(study, options.rules)
    if options.csv is not None and options.csv.exists() and not options.overwrite:
        raise BadInput(f"--csv {options.csv}: is there already; name another file, or give --overwrite.")
    cohort = read_options_cohort(study, options)
    prompts = write_prompts(cohort, rules)
    _tell_rules(rules)
    for note in prompts.notes:
        log.info(note)
    prompts = _chosen(cohort, prompts, options.only)
    rows = dict(zip(cohort.cases(), cohort.frame["row"].astype(int), strict=True))
    found = prompts.rows(every=options.all_templates)
    if options.csv is not None:
        write_text(options.csv, prompts_csv(found))
    return PromptsPreviewed(
        rules=rules,
        prompts=found,
        texts=prompts.distinct(),
        distinct=options.distinct,
        statements=len(prompts.statements()),
        images=len(prompts.cases) + len(prompts.without),
        without=[(case, rows[case]) for case in prompts.without],
        missing=prompts.missing(),
        table=options.csv,
    )


def prompts_csv(prompts: Iterable[Prompt]) -> str:
    """A row for each prompt; templates count from 1, slots have spaces between them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "row", "template", "prompt", "used", "dropped"])
    for each in prompts:
        writer.writerow(
            [each.case, each.row, each.template + 1, each.text, " ".join(each.used), " ".join(each.dropped)]
        )
    return text.getvalue()


def _tell_rules(rules: PromptRules) -> None:
    whose = "those for kidney transplantation that come with medcl" if rules.shipped else str(rules.file)
    slots, templates = counted(len(rules.slots), "slot"), counted(len(rules.templates), "template")
    log.info(f"Rules: {whose}; {slots} ({', '.join(rules.slots)}), {templates}.")


def _chosen(cohort: Cohort, prompts: CohortPrompts, only: list[str]) -> CohortPrompts:
    if not only:
        return prompts
    cases = ImageFilter.parse(",".join(only), "--only").cases(cohort)
    log.info(f"--only {','.join(only)}: {len(cases)} of {counted(len(cohort), 'image')} of {cohort.file}.")
    return prompts.only(cases)
