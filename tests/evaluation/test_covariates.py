from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.covariates import Covariate, Covariates
from medcl.study.errors import BadInput

AGE = Covariate("age", "numeric", np.array([50.0, 60.0, np.nan, 40.0]))
SEX = Covariate("sex", "categorical", np.array(["f", "m", "m", "x"], dtype=object))


def test_classes_are_those_of_the_training_rows() -> None:
    both = Covariates.of([AGE, SEX], 4)
    matrix, notes = both.matrix(np.array([0, 1]))
    np.testing.assert_array_equal(matrix, [[50, 1, 0], [60, 0, 1], [np.nan, 0, 1], [40, 0, 0]])
    assert notes == ("sex: x (1 rows) are in no training row and have no column.",)
    matrix, notes = both.matrix(np.array([0, 1, 3]))
    assert (matrix.shape, notes) == ((4, 4), ())


def test_missing_is_told_by_row() -> None:
    lacking = Covariate("sex", "categorical", np.array(["f", None, "m", ""], dtype=object))
    assert Covariates.of([AGE, lacking], 4).missing().tolist() == [False, True, True, True]
    assert Covariates.of([], 4).missing().tolist() == [False] * 4
    assert lacking.values[1] is None
    matrix, _ = Covariates.of([lacking], 4).matrix(np.arange(4))
    assert matrix.tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]


def test_other_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="the covariates age have not as many values as there are rows"):
        Covariates.of([AGE], 5)
