from __future__ import annotations

import numpy as np

from medcl.evaluation.constant_probe import fit_constant

WHO = ["a", "b", "c", "d"]
NOTHING = np.empty((4, 0))


def test_mean_majority_and_same_risk() -> None:
    assert fit_constant(NOTHING, np.array([1.0, 2, 3, 6]), WHO).predict(np.empty((2, 0))).tolist() == [3, 3]
    classes = fit_constant(NOTHING, np.array(["x", "y", "y", "y"]), WHO, kind="categorical")
    assert classes.shares(np.empty((2, 0)), np.array(["x", "y", "z"])).tolist() == [[0, 1, 0]] * 2
    risk = fit_constant(NOTHING, np.ones((4, 2)), WHO, kind="survival")
    assert risk.predict(np.empty((2, 0))).tolist() == [0, 0]
    assert risk.again(NOTHING, np.zeros((4, 2))).predict(NOTHING).tolist() == [0] * 4
