from __future__ import annotations

import math

import pytest
import torch

from medcl.study.errors import RunFailed
from medcl.training.finite import FiniteWatch, read_every

GOOD = torch.tensor(1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_bad_loss_names_its_step_and_cases_once_each(bad: float) -> None:
    watch = FiniteWatch()
    watch.note(GOOD, GOOD, "step 1", ["P1_a"])
    watch.note(torch.tensor(bad), GOOD, "step 2", ["P2_a", "P3_a", "P2_a"])
    watch.note(torch.tensor(bad), GOOD, "step 3", ["P4_a"])
    with pytest.raises(RunFailed) as error:
        watch.check()
    assert error.value.problems[0].startswith("The loss of step 2 is")
    assert error.value.problems[1] == "Cases of the batch: P2_a, P3_a."


def test_bad_gradient_of_a_good_loss_is_told() -> None:
    watch = FiniteWatch()
    watch.note(GOOD, torch.tensor(math.nan), "step 4", ["P1"])
    with pytest.raises(RunFailed, match="The gradient of step 4 has the norm nan"):
        watch.check()


def test_gradients_under_a_scaler_may_overflow() -> None:
    watch = FiniteWatch()
    watch.note(GOOD, None, "step 1", ["P1"])
    watch.check()


def test_what_was_checked_is_not_checked_again() -> None:
    watch = FiniteWatch()
    watch.note(torch.tensor(math.nan), GOOD, "step 1", [])
    with pytest.raises(RunFailed):
        watch.check()
    watch.check()


def test_numbers_are_read_each_step_on_the_cpu_and_rarely_elsewhere() -> None:
    assert read_every(torch.device("cpu")) == 1
    assert read_every(torch.device("cuda")) > 1
