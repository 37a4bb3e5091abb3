"""Images with clinical prompts, as Milecki et al. (MEDIMP, MIDL 2023) pair them: batches of 88.

In an epoch each training image that has a prompt is used once, beside one prompt: the template, of those that say
something of the image, and its synonyms are drawn anew by seed, epoch and image. Images without any prompt are left
out. Of slices, each is an image of its own with the prompts of the image that it was cut from; slices of one image,
which say the same, are kept apart as far as there are others.

Validation (ours): an image's prompt is that of the template that says most of it, the first of equals, in its first
wording; it is to be found among the different ones of all validation images.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.keyed import keyed_generator
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.spread import spread
from medcl.data.task_options import PROMPT_BATCH, TaskOptions
from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.study.prompts import CohortPrompts, Prompt

Ints = NDArray[np.int64]


class PromptTask:
    """Plans of different images whose targets tell the prompt of each.

    Targets, (M,) int64: "prompt", place in `texts`; "statement", equal where all that is known of two images is the
    same; "said", equal where two prompts say the same. Plans of the validation also have "candidates", (K,) places in
    `texts` of all different prompts of the validation, and "right", (M,), each image's place among them.

    Args:
        samples: the images.
        prompts: of the cohort.
        options: of the task.

    Attributes:
        texts: every text that a plan may name, each once.

    Raises:
        BadInput: fewer than two training images have a prompt, or the prompts of all say the same.
    """

    def __init__(self, samples: Samples, prompts: CohortPrompts, options: TaskOptions) -> None:
        self.options = options
        self.cases: list[str] = samples.cases.tolist()
        self.images = samples.images
        train, held_out = samples.rows("train"), samples.rows("val")
        self.there = {"training": len(train), "validation": len(held_out)}
        self.prompts = prompts.only({self.cases[row] for row in (*train, *held_out)})
        usable = np.isin(samples.cases, np.array(self.prompts.cases, dtype=str))
        self.rows, held_out = train[usable[train]], held_out[usable[held_out]]
        self.used = {"training": len(self.rows), "validation": len(held_out)}
        self.statements = _codes(
            [self.prompts.statement(self.cases[row]) if usable[row] else None for row in range(len(samples))]
        )
        self.different = len(np.unique(self.statements[self.rows]))
        self._require_contrast()
        self.wanted = options.batch_size or PROMPT_BATCH
        self.batch_size = min(self.wanted, len(self.rows))
        order = spread(held_out, self.images, keyed_generator(options.seed, "validation images"))
        self.held_out = order[: options.validation_images]
        self.texts = self.prompts.distinct()
        self._places = {text: place for place, text in enumerate(self.texts)}
        self.told = samples.note(self.rows)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        order = spread(self.rows, self.images, keyed_generator(self.options.seed, "prompt images", epoch))
        return [
            BatchPlan(rows, rows, self._targets(rows, [self._drawn(epoch, row) for row in rows.tolist()]))
            for rows in _batches(order, self.batch_size)
        ]

    def validation(self) -> list[BatchPlan]:
        """Return the images of validation patients as they are stored, with prompts that are the same in each epoch."""
        if len(self.held_out) < 2:
            return []
        fullest = {row: self._fullest(row) for row in self.held_out.tolist()}
        candidates = sorted({self._places[prompt.text] for prompt in fullest.values()})
        plans = []
        for rows in _batches(self.held_out, self.batch_size):
            targets = self._targets(rows, [fullest[row] for row in rows.tolist()])
            targets["candidates"] = np.array(candidates, np.int64)
            targets["right"] = np.searchsorted(targets["candidates"], targets["prompt"]).astype(np.int64)
            plans.append(BatchPlan(rows, rows, targets, augment="none"))
        return plans

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        notes = list(self.told)
        for part, there in self.there.items():
            if missing := there - self.used[part]:
                notes.append(f"{missing} of {there} {part} images have no prompt and are left out")
        notes.append(
            f"the prompts of {counted(len(self.rows), 'training image')} say {self.different} different things, in "
            f"{counted(len(self.texts), 'text')} by all templates and synonyms"
        )
        if self.batch_size < self.wanted:
            notes.append(
                f"a step takes {self.wanted} images, but there are {len(self.rows)} training images: every step sees "
                "all of them"
            )
        if len(self.held_out) < 2:
            notes.append("fewer than two images of validation patients have a prompt: the run is not validated")
        return notes

    def describe(self) -> dict[str, Any]:
        """Return counts for the user and for the run's record."""
        return {
            "sampling": "each image once an epoch, beside one prompt",
            "rules": str(self.prompts.rules.file),
            "templates": len(self.prompts.rules.templates),
            "training_images": len(self.rows),
            "training_images_without_prompt": self.there["training"] - len(self.rows),
            "texts": len(self.texts),
            "statements": self.different,
            "batch_size": self.batch_size,
            "steps": len(_batches(self.rows, self.batch_size)),
            "validation": {"images": len(self.held_out)},
        }

    def _require_contrast(self) -> None:
        file = self.prompts.rules.file
        if len(self.rows) < 2:
            raise BadInput(
                f"--method prompts needs two training images or more that have a prompt; by {file} "
                f"{len(self.rows)} of {self.there['training']} has one. `medcl prompts preview` shows why."
            )
        if self.different < 2:
            raise BadInput(
                f"--method prompts: by {file} the prompts of all {len(self.rows)} training images say the same, so "
                "that there is nothing to tell apart. `medcl prompts preview` shows them; give slots that differ."
            )

    def _drawn(self, epoch: int, row: int) -> Prompt:
        """The prompt of a training image in an epoch."""
        generator = keyed_generator(self.options.seed, "prompt", epoch, row)
        case = self.cases[row]
        usable = self.prompts.usable(case)
        template = usable[int(generator.integers(len(usable)))]
        return self._prompt(case, template, int(generator.integers(self.prompts.wordings(case, template))))

    def _fullest(self, row: int) -> Prompt:
        case = self.cases[row]
        prompts = [self._prompt(case, template, 0) for template in self.prompts.usable(case)]
        return max(prompts, key=lambda prompt: len(prompt.used))

    def _prompt(self, case: str, template: int, draw: int) -> Prompt:
        prompt = self.prompts.of(case, template, draw)
        assert prompt is not None  # the template is usable
        return prompt

    def _targets(self, rows: Ints, prompts: Sequence[Prompt]) -> dict[str, NDArray[Any]]:
        return {
            "prompt": np.array([self._places[prompt.text] for prompt in prompts], np.int64),
            "statement": self.statements[rows],
            "said": _codes([prompt.statement for prompt in prompts]),
        }


def _codes(things: Sequence[Hashable]) -> Ints:
    """A number for each thing, equal for equal ones: from 0, as they come."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(thing, len(known)) for thing in things], np.int64)


def _batches(order: Ints, size: int) -> list[Ints]:
    """Batches that differ by at most one image; of at most `size`, but never of one image alone."""
    return np.array_split(order, max(1, min(-(-len(order) // size), len(order) // 2)))
