"""One step of work ahead of what is used."""

from __future__ import annotations

import pytest

from medcl.study.errors import BadInput
from medcl.workflows.ahead import ahead


def test_one_step_ahead_and_no_more() -> None:
    begun: list[int] = []

    def items():
        for number in range(5):
            begun.append(number)
            yield number

    results = ahead(lambda number: number * 10, items())
    assert next(results) == 0
    assert begun == [0, 1]
    assert list(results) == [10, 20, 30, 40]

    def fails(number: int) -> int:
        if number == 1:
            raise BadInput("one")
        return number

    results = ahead(fails, iter(range(3)))
    assert next(results) == 0
    with pytest.raises(BadInput, match="one"):
        next(results)
