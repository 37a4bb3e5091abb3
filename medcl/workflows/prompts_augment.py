"""`medcl prompts augment`: paraphrases of prompt templates by a language model, for a person to review.

The model is given a template and how to write it anew, and nothing else: no table of the study is even opened.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from medcl.study.errors import BadInput, RunFailed
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.workflows.options import Options, flag

if TYPE_CHECKING:
    from medcl.study.prompt_rules import PromptRules
    from medcl.workflows.language_model import LanguageModel
    from medcl.workflows.paraphrase_files import Line
    from medcl.workflows.paraphrase_journal import AnswerJournal

AUGMENTED = "prompts-augmented.toml"
REVIEW = "prompts-review.csv"
ANSWERS = "prompts-answers.jsonl"
"""What a call writes: rules with paraphrases, the table of all texts, and the model's answers as they came."""

log = logging.getLogger("medcl")


class PromptsAugmentOptions(Options):
    """Ask a language model for paraphrases of the prompts' templates.

    The model gets the text of the templates and never anything of a patient. Answers are kept only when every slot is
    there exactly once, nothing numeric was added and the text is new; all are listed in prompts-review.csv with the
    reason. Nothing is used before a person has reviewed prompts-augmented.toml and names it with --rules.
    """

    section: ClassVar[str] = "prompts.augment"

    rules: Path | None = flag(
        None,
        "Rules of the prompts; the study's prompts.toml, or those shipped with medcl, unless told.",
        metavar="FILE",
    )
    llm: Path | None = flag(
        None, "Language model on this machine: a folder in Hugging Face form, or a GGUF file. Nothing is downloaded."
    )
    llm_url: str | None = flag(
        None, "OpenAI-compatible server of a language model, such as http://localhost:8000/v1.", metavar="URL"
    )
    model: str | None = flag(None, "Name of the model on the server.", metavar="NAME")
    api_key_env: str | None = flag(
        None, "Environment variable that holds the server's key; the key itself is never an option.", metavar="NAME"
    )
    paraphrases: int = flag(5, "Paraphrases to keep for each template.", ge=1, le=1000)
    attempts: int = flag(20, "Answers that are asked for a template at most, until enough are kept.", ge=1, le=100_000)
    timeout: float = flag(120.0, "Seconds that one answer may take.", gt=0, le=86_400, allow_inf_nan=False)
    seed: int = flag(0, "Of the model's choice of words.", ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where a local model computes; auto takes a CUDA GPU where there is one."
    )
    out: Path | None = flag(None, "Folder of the files that are written; the study unless told.", metavar="DIR")
    resume: bool = flag(False, "Go on with a job that was stopped, or ask for more: answers that are there stay.")
    overwrite: bool = flag(False, "Start again; the answers and the reviewed file of before are lost.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = []
        if (self.llm is None) == (self.llm_url is None):
            problems.append("Give a language model: --llm PATH for one on this machine or --llm-url URL for a server.")
        for name, value in (("--model", self.model), ("--api-key-env", self.api_key_env)):
            if value is not None and self.llm is not None and self.llm_url is None:
                problems.append(f"{name} is of a server (--llm-url) and says nothing of --llm.")
        if self.api_key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.api_key_env):
            # not repeated: it may be the key
            problems.append("--api-key-env takes the name of an environment variable, such as LLM_KEY, not the key.")
        if self.resume and self.overwrite:
            problems.append("--resume goes on and --overwrite starts again: give one of them.")
        if problems:
            raise ValueError(" ".join(problems))
        return self


@dataclass(frozen=True)
class Augmented:
    """What came of it.

    Attributes:
        rules: with the paraphrases, for review.
        review: the table of all texts.
        kept: paraphrases of each template, in the order of the rules.
        wanted: for each template.
        refused: texts.
        asked: answers of this call; those of before are not among them.
        seconds: it took.
    """

    rules: Path
    review: Path
    kept: tuple[int, ...]
    wanted: int
    refused: int
    asked: int
    seconds: float


def prompts_augment(options: PromptsAugmentOptions) -> Augmented:
    """Ask, judge and write the files for review.

    Raises:
        BadInput: rules or options that cannot be used, results that exist, a model that is not there.
        RunFailed: the model does not answer, or no answer can be used; answers that came are kept.
    """
    from medcl.study.prompt_rules import find_prompt_rules
    from medcl.workflows.language_model import open_language_model
    from medcl.workflows.paraphrase_job import ParaphraseJob

    began = time.monotonic()
    study = Study.find(options.study)
    rules = find_prompt_rules(study, options.rules)
    log.info(f"Rules: {'those shipped with medcl' if rules.shipped else rules.file}.")
    folder = (options.out or study.root).absolute()
    model = open_language_model(
        options.llm,
        options.llm_url,
        model=options.model,
        key_variable=options.api_key_env,
        timeout=options.timeout,
        device=options.device,
    )
    with _open_journal(folder, options) as journal:
        job = ParaphraseJob(rules, model, options, journal)
        if options.resume:
            job.compare()
            _refuse_changed(folder, journal)
        lines, asked = job.lines()
        _write(folder, rules, lines, model, journal)
    kept = tuple(
        sum(line.judged.kept for line in lines if line.template == number)
        for number in range(1, len(rules.templates) + 1)
    )
    refused = len(lines) - sum(kept)
    if not sum(kept):
        raise RunFailed(
            f"None of {counted(refused, 'text')} can be used; {folder / REVIEW} says why of each. Small models fail at "
            "this: take a larger one (with --overwrite, or another --out)."
        )
    seconds = time.monotonic() - began
    return Augmented(folder / AUGMENTED, folder / REVIEW, kept, options.paraphrases, refused, asked, seconds)


def _open_journal(folder: Path, options: PromptsAugmentOptions) -> AbstractContextManager[AnswerJournal]:
    from medcl.workflows.paraphrase_journal import AnswerJournal

    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--out {folder}: is a file; give a folder.")
    results, file = (folder / AUGMENTED, folder / REVIEW), folder / ANSWERS
    begun = file.is_file() and file.stat().st_size > 0
    if options.resume and not begun:
        raise BadInput(f"--resume: there are no answers to go on with, {file} is not there. Leave --resume out.")
    there = [path.name for path in (*results, *([file] if begun else [])) if path.exists()]
    if there and not options.resume and not options.overwrite:
        way = "Go on with --resume (answers stay), start" if begun else "Start"
        raise BadInput(
            f"{folder} holds {' and '.join(there)} of an earlier call. {way} again with --overwrite (they are lost), "
            "or give another folder with --out."
        )
    return AnswerJournal(file, afresh=options.overwrite, void=results)


def _refuse_changed(folder: Path, journal: AnswerJournal) -> None:
    """A person's review must not be written over by a job that goes on."""
    changed = [
        name
        for name in (AUGMENTED, REVIEW)
        if (folder / name).is_file() and journal.written.get(name) != _digest(folder / name)
    ]
    if changed:
        raise BadInput(
            f"--resume: {' and '.join(changed)} in {folder} changed since medcl wrote it (reviewed?) and would be "
            "written anew. Move or rename what you want to keep, and go on."
        )


def _write(
    folder: Path, rules: PromptRules, lines: Sequence[Line], model: LanguageModel, journal: AnswerJournal
) -> None:
    """Write the review, and the rules when there is a paraphrase; they are read back before they get their name."""
    from medcl.study.files import write_text, write_whole
    from medcl.study.prompt_rules import read_prompt_rules
    from medcl.workflows.paraphrase_files import augmented_rules, review_table

    write_text(folder / REVIEW, review_table(rules, lines))
    kept = tuple(line.judged.text for line in lines if line.judged.kept)
    if kept:
        card = model.card
        with write_whole(folder / AUGMENTED) as temporary:
            name = str(card.get("model") or Path(str(card.get("path") or card.get("url"))).name)
            temporary.write_text(augmented_rules(rules, lines, name), encoding="utf-8", newline="\n")
            again = read_prompt_rules(temporary)
            assert sorted(again.templates) == sorted((*rules.templates, *kept))
            assert again.slots == rules.slots
    else:
        (folder / AUGMENTED).unlink(missing_ok=True)
    journal.note_written({name: _digest(folder / name) for name in (AUGMENTED, REVIEW) if (folder / name).is_file()})


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
