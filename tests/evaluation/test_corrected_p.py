from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.corrected_p import corrected_p


def test_holm_by_hand() -> None:
    """Sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, and never below one before: .04 .06 .06 .06."""
    assert corrected_p([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert corrected_p([0.5, 0.6]) == pytest.approx([1, 1])


def test_benjamini_hochberg_by_hand() -> None:
    """Sorted .01 .02 .03 .5 times 4/1 4/2 4/3 1: .04 .04 .04 .5."""
    assert corrected_p([0.5, 0.01, 0.03, 0.02], "benjamini-hochberg") == pytest.approx([0.5, 0.04, 0.04, 0.04])


@pytest.mark.parametrize("correction", ["holm", "benjamini-hochberg"])
def test_what_was_not_tested_does_not_count(correction: str) -> None:
    found = corrected_p([float("nan"), 0.01, 0.5], correction)  # type: ignore[arg-type]
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx([0.02, 0.5])
    assert np.isnan(corrected_p([float("nan")], correction)).all()  # type: ignore[arg-type]
    assert corrected_p([], correction) == []  # type: ignore[arg-type]
