from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.event_classes import event_classes
from medcl.study.errors import BadInput


def test_known_answers_at_two_years() -> None:
    times = [100, 730, 731, 400, 730, 900, np.nan, 50]
    events = [1, 1, 1, 0, 0, 0, 1, np.nan]
    words, ended = event_classes(np.stack([times, events], axis=1), 730)
    assert words.tolist() == ["event", "event", "no event", "", "no event", "no event", "", ""]
    assert ended == 1
    assert event_classes(np.stack([times, events], axis=1), 50)[0][0] == "no event"


def test_horizon_above_zero() -> None:
    with pytest.raises(BadInput, match="--horizon must be above 0, got -1"):
        event_classes(np.ones((2, 2)), -1)
