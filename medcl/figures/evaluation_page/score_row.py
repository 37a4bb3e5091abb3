"""What a page of an evaluation is told of scores and comparisons: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Interval:
    """A score, or a difference of two, with its interval of `level`."""

    value: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class ScoreRow:
    """One set of features or baseline, by one probe and one fit.

    Attributes:
        name: of the features or the baseline.
        role: which of them.
        probe: linear, knn, or "" where nothing is read.
        fitted_on: "training patients" or "held-out patients".
        scores: by name; {} where there is no result.
        p: of the main score under permuted labels; None without a test.
        cases, patients: that were scored.
        seen: whether scored patients were in the encoder's training.
        reason: why there is no result; "" where there is one.
    """

    name: str
    role: Literal["features", "baseline"]
    probe: str
    fitted_on: str
    scores: Mapping[str, Interval]
    p: float | None
    cases: int
    patients: int
    seen: bool
    reason: str = ""

    @property
    def label(self) -> str:
        """Name and probe."""
        return f"{self.name}, {self.probe}" if self.probe else self.name


@dataclass(frozen=True)
class ComparisonRow:
    """The main score of one row less that of another on the same cases; p as it is, and corrected."""

    first: str
    second: str
    probe: str
    fitted_on: str
    difference: Interval
    p: float
    p_corrected: float
    cases: int
