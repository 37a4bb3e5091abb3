"""What `medcl pretrain --method prompts` does in its own way: the cohort's prompts, the method, and what is left."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.data.prompt_task import PromptTask
from medcl.methods.build import MethodOptions, build_prompt_method
from medcl.methods.prompts import PromptContrast, PromptOptions
from medcl.study.files import write_text
from medcl.study.plural import counted
from medcl.study.prompt_rules import RULES, PromptRules, find_prompt_rules
from medcl.study.prompt_template import without_slots
from medcl.study.prompts import CohortPrompts, write_prompts
from medcl.study.short_hash import short_hash
from medcl.training.export import export_encoder

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort
    from medcl.study.folder import Study
    from medcl.workflows.pretrain import PretrainOptions

PROMPTS = "prompts"
"""Name of the method."""

TEXT_STEM = "text"
"""Name of the files with the text side of the shared space."""


@dataclass(frozen=True, eq=False)
class ReadPrompts:
    """The prompts of a cohort.

    Attributes:
        prompts: of all its images.
        rules_text: content of the file of rules as it was read.
    """

    prompts: CohortPrompts
    rules_text: str

    @property
    def notes(self) -> list[str]:
        """What the user should know, in sentences."""
        rules = self.prompts.rules
        whose = "those for kidney transplantation that come with medcl" if rules.shipped else str(rules.file)
        slots, templates = counted(len(rules.slots), "slot"), counted(len(rules.templates), "template")
        return [f"Rules: {whose}; {slots} ({', '.join(rules.slots)}), {templates}.", *self.prompts.notes]

    @property
    def vocabulary(self) -> list[str]:
        """Texts with every word that a prompt can have: all prompts of the cohort, and all that the rules can say."""
        return [*self.prompts.distinct(), *_said(self.prompts.rules)]

    def fingerprint(self) -> str:
        """Hash of the templates and of what is said of each image, so that a resumed run notices other ones."""
        prompts = self.prompts
        told = [*prompts.rules.templates, *(f"{case} {prompts.statement(case)}" for case in sorted(prompts.cases))]
        return short_hash("\n".join(told))


def read_prompts(study: Study, cohort: Cohort, options: PretrainOptions) -> ReadPrompts:
    """Read the rules and write the prompts of all images.

    Raises:
        BadInput: the rules cannot be used, or not with this cohort, or no image has a prompt.
    """
    rules = find_prompt_rules(study, options.rules)
    return ReadPrompts(write_prompts(cohort, rules), rules.file.read_text(encoding="utf-8"))


def prompt_options(options: PretrainOptions) -> PromptOptions:
    """What was chosen about the method."""
    return PromptOptions(
        targets=options.targets,
        text_encoder=options.text_encoder,
        frozen_layers=options.frozen_layers,
        text_pooling=options.text_pooling,
        text_width=options.text_width,
        download=options.download,
    )


def prompt_method(
    read: ReadPrompts, task: PromptTask, size: tuple[int, int, int], options: MethodOptions
) -> PromptContrast:
    """Return the method for the prompts of a task.

    Raises:
        BadInput: as `build_prompt_method`.
    """
    return build_prompt_method(size, task.texts, read.vocabulary, task.batch_size, options)


def export_text_side(method: PromptContrast, read: ReadPrompts, folder: Path, run: str, epoch: int) -> None:
    """Write the text side beside the encoder: its rules, weights and card, from which prompts can be embedded.

    A frozen text encoder's weights are not written; the card tells which they are.

    Args:
        method: with the weights of the epoch.
        read: the prompts that it was trained with.
        folder: of the run or the fold.
        run: its name.
        epoch: from 1.
    """
    write_text(folder / RULES, read.rules_text)
    card = {
        "architecture": method.text_space.shape,
        "rules": RULES,
        "rules_sha256": hashlib.sha256((folder / RULES).read_bytes()).hexdigest(),
        "image_side": "projection",
        "temperature": 1 / float(method.scale().detach()),
        "run": run,
        "epoch": epoch,
    }
    export_encoder(method.text_space, folder, card, stem=TEXT_STEM)


def _said(rules: PromptRules) -> list[str]:
    words = [word for slot in rules.slots.values() for entry in slot.entries for word in entry]
    return [*map(without_slots, rules.templates), *words]
