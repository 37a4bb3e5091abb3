"""Whether an image finds its prompt: the rank of the right one among all distinct prompts, by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.bootstrap import DRAWS, LEVEL, Interval, bootstrap
from medcl.evaluation.scores import Score, Values
from medcl.study.errors import BadInput

DEPTHS = (1, 5)


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Ranks of N images among P prompts.

    Attributes:
        ranks: (N,) from 1; of equally near prompts the middle of their ranks.
        prompts: P.
        median: of the ranks.
        recall: by depth k, the share of images whose prompt is among the k nearest, ties drawn by lot.
        chance_median, chance_recall: of images that know nothing: (P + 1) / 2 and k / P.
    """

    ranks: npt.NDArray[np.float64]
    prompts: int
    median: Interval
    recall: dict[int, Interval]
    chance_median: float
    chance_recall: dict[int, float]


def prompt_retrieval(
    images: npt.NDArray[Any],
    prompts: npt.NDArray[Any],
    right: npt.NDArray[Any],
    patients: Sequence[str] | npt.NDArray[Any],
    *,
    depths: Sequence[int] = DEPTHS,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Retrieval:
    """Rank the right prompt of each image.

    Args:
        images: (N, D) features of one encoder's held-out images.
        prompts: (P, D) of distinct prompts, in the same space.
        right: (N,) place of each image's prompt.
        patients: (N,) by whom the intervals are drawn.
        depths: k of the recalls.
        draws, level, seed: of the intervals.

    Raises:
        BadInput: fewer than two prompts or patients, other widths, a place that is none, or features that are not
            finite or all 0.
    """
    places = np.asarray(right, dtype=np.int64)
    _require_usable(images, prompts, places)
    nearness = _unit(images) @ _unit(prompts).T
    own = nearness[np.arange(len(places)), places][:, None]
    # prompts that only rounding tells apart are equally near
    level_with = np.isclose(nearness, own, rtol=0, atol=1e-9)
    before = ((nearness > own) & ~level_with).sum(axis=1)
    equal = level_with.sum(axis=1)
    ranks = before + (equal + 1) / 2

    def interval(score: Score, values: Values) -> Interval:
        return bootstrap(score, values, values, patients, draws=draws, level=level, seed=seed)

    within = {depth: np.clip((depth - before) / equal, 0.0, 1.0) for depth in depths}
    count = len(prompts)
    return Retrieval(
        ranks,
        count,
        interval(lambda values, _: float(np.median(values)), ranks),
        {depth: interval(lambda values, _: float(values.mean()), found) for depth, found in within.items()},
        (count + 1) / 2,
        {depth: min(depth, count) / count for depth in depths},
    )


def _unit(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    wide = np.asarray(rows, dtype=np.float64)
    found: npt.NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return found


def _require_usable(images: npt.NDArray[Any], prompts: npt.NDArray[Any], right: npt.NDArray[np.int64]) -> None:
    if len(prompts) < 2:
        raise BadInput(f"a rank among distinct prompts needs at least 2 of them, found {len(prompts)}.")
    if images.shape[1] != prompts.shape[1]:
        raise BadInput(
            f"image features have {images.shape[1]} numbers and prompt features {prompts.shape[1]}: they are not in "
            "one space; embed both with --layer projection of the same run."
        )
    if len(right) != len(images) or (len(right) and not 0 <= right.min() <= right.max() < len(prompts)):
        raise BadInput(f"every image needs the place of its prompt among {len(prompts)}.")
    for name, rows in (("image", images), ("prompt", prompts)):
        lengths = np.linalg.norm(np.asarray(rows, dtype=np.float64), axis=1)
        if wrong := int((~np.isfinite(lengths) | (lengths == 0)).sum()):
            raise BadInput(f"{wrong} {name} rows have features that are not finite or all 0: they have no direction.")
