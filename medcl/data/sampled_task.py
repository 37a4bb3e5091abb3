"""Explicit pairs (`--pairs sampled`), as Milecki et al. (MIDL 2022) draw them.

An epoch holds 10,000 pairs, a quarter of them positive. The positives are fixed for the run, the negatives
are drawn anew in every epoch from all there are. What the paper leaves open, and how it is decided here:

- Each stage has its own fixed positives, drawn once from all that its definition allows, by a generator keyed
  by that definition: the same in every epoch of the stage, in another stage of equal definition, and after a
  resume.
- A cohort with too few positives keeps the number of pairs and the share: its positives are repeated, each
  time under new augmentation.
- A cohort with too few negatives uses all it has; the epoch then becomes shorter, so that the share holds.
- The batches of an epoch differ by at most one pair in size, so that no small one remains at its end.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.curriculum import Curriculum
from medcl.data.keyed import keyed_generator
from medcl.data.pair_space import PairSpace
from medcl.data.plan import BatchPlan
from medcl.data.task_options import PAPER_BATCH, TaskOptions
from medcl.data.validation_blocks import ValidationBlocks

Ints = NDArray[np.int64]


class SampledTask:
    """Plans of explicit pairs: rows[0::2] and rows[1::2] of a plan are its pairs, "label" (P,) their labels."""

    def __init__(self, curriculum: Curriculum, options: TaskOptions) -> None:
        self.curriculum = curriculum
        self.options = options
        self.batch_size = options.batch_size or PAPER_BATCH
        self.held_out = ValidationBlocks(curriculum, options)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the batches of an epoch (from 0), in random order."""
        stage = self.curriculum.stage(epoch)
        seed = self.options.seed
        positive_count, negative_count = self._sizes[stage]
        fixed = self._fixed_positives(stage)
        copies, rest = divmod(positive_count, len(fixed))
        extra = keyed_generator(seed, "repeated positives", epoch).permutation(len(fixed))[:rest]
        positives = np.concatenate([np.tile(fixed, (copies, 1)), fixed[extra]])
        negatives = self._spaces[stage][1].draw(negative_count, keyed_generator(seed, "negatives", epoch))
        pairs = np.concatenate([positives, negatives])
        label = np.repeat(np.array([1, 0], np.int8), [len(positives), len(negatives)])
        order = keyed_generator(seed, "order of pairs", epoch).permutation(len(pairs))
        batches = max(1, -(-len(order) // self.batch_size))
        plans, first = [], 0
        for chosen in np.array_split(order, batches):
            keys = np.arange(2 * first, 2 * (first + len(chosen)))
            plans.append(BatchPlan(pairs[chosen].reshape(-1), keys, {"label": label[chosen]}))
            first += len(chosen)
        return plans

    def validation(self) -> list[BatchPlan]:
        """Return the fixed batches of validation patients."""
        return self.held_out.plans

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        notes = list(self.curriculum.notes)
        for number, stage in enumerate(self.describe()["stages"], start=1):
            if stage["repeat_factor"] > 1:
                notes.append(
                    f"stage {number}: the {stage['distinct_positives']} positive pairs are repeated "
                    f"{stage['repeat_factor']:.1f} times an epoch, each time under new augmentation"
                )
            if stage["pairs"] < self.options.pairs:
                notes.append(
                    f"stage {number}: only {stage['negatives_there_are']} negative pairs there are, so an epoch "
                    f"has {stage['pairs']} pairs instead of {self.options.pairs}"
                )
        return notes + self.held_out.notes

    def describe(self) -> dict[str, Any]:
        """Return thresholds and counts for the user and for the run's record."""
        stages = []
        for stage, rule in enumerate(self.curriculum.rules):
            there, used = self.curriculum_counts[stage], self._sizes[stage]
            distinct = min(used[0], there[0])
            stages.append(
                {
                    "definition": rule.name,
                    "positives_there_are": there[0],
                    "negatives_there_are": there[1],
                    "pairs": sum(used),
                    "positives": used[0],
                    "distinct_positives": distinct,
                    "repeat_factor": used[0] / distinct,
                    "negatives": used[1],
                }
            )
        return {
            **self.curriculum.facts,
            "sampling": "sampled",
            "training_images": len(self.curriculum.rows),
            "batch_size": self.batch_size,
            "stages": stages,
            "validation": self.held_out.facts,
        }

    @cached_property
    def curriculum_counts(self) -> list[tuple[int, int]]:
        """How many positive and negative pairs there are in each stage."""
        return [(positives.count, negatives.count) for positives, negatives in self._spaces]

    @cached_property
    def _spaces(self) -> list[tuple[PairSpace, PairSpace]]:
        rows = self.curriculum.rows
        return [(rule.positives(rows), rule.negatives(rows)) for rule in self.curriculum.rules]

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        """Positives (repeats counted) and negatives of an epoch, in each stage."""
        share = self.options.positive_share
        wanted = max(1, round(share * self.options.pairs))
        sizes = []
        for _, there_are in self.curriculum_counts:
            negatives = min(self.options.pairs - wanted, there_are)
            positives = min(wanted, max(1, round(negatives * share / (1 - share))))
            sizes.append((positives, negatives))
        return sizes

    def _fixed_positives(self, stage: int) -> Ints:
        if stage not in self._fixed:
            definition = self.curriculum.rules[stage].name
            generator = keyed_generator(self.options.seed, f"positives: {definition}")
            self._fixed[stage] = self._spaces[stage][0].draw(self._sizes[stage][0], generator)
        return self._fixed[stage]

    @cached_property
    def _fixed(self) -> dict[int, Ints]:
        return {}
