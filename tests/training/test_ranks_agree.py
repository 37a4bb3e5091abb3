"""What ranks tell each other: one item for all, a flag, means, and facts that must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.errors import BadInput
from medcl.training import distributed
from medcl.training.distributed import (
    any_rank,
    is_main,
    mean_numbers,
    own_rows,
    rank,
    require_same,
    shard_sizes,
    share,
)
from tests.training.ranks import in_ranks


def exchange() -> dict[str, Any]:
    facts = {"code": "abc", "data": "same" if is_main() else "other"}
    try:
        require_same(facts)
    except BadInput as error:
        refused = error.problems
    require_same({"code": "abc"})
    return {
        "shared": share(f"from {rank()}"),
        "any": any_rank(rank() == 1),
        "none": any_rank(False),
        "means": mean_numbers({"loss": float(rank()), **({"rare": 4.0} if rank() else {})}),
        "refused": refused,
        "sizes": shard_sizes(5),
    }


@pytest.mark.ddp
def test_ranks_come_to_the_same_answers(tmp_path: Path) -> None:
    for told in in_ranks(2, exchange, tmp_path):
        assert told["shared"] == "from 0"
        assert told["any"]
        assert not told["none"]
        assert told["means"] == {"loss": 0.5, "rare": 4.0}
        assert told["sizes"] == [3, 2]
        assert told["refused"] == [
            "The processes of this run do not have the same data: same on rank 0; other on rank 1.",
            "Give every node the same installation of medcl and the same study folder.",
        ]


def test_one_process_agrees_with_itself() -> None:
    assert share("item") == "item"
    assert any_rank(True)
    assert not any_rank(False)
    assert mean_numbers({"loss": 2.0}) == {"loss": 2.0}
    assert shard_sizes(5) == [5]
    require_same({"code": "abc"})


@given(total=st.integers(1, 40), world=st.integers(1, 8))
def test_shares_part_a_batch_as_equally_as_can_be(total: int, world: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "world_size", lambda: world)
        parts = []
        for number in range(world):
            patch.setattr(distributed, "rank", lambda number=number: number)
            parts.append(range(total)[own_rows(total)])
        sizes = shard_sizes(total)
    assert [row for part in parts for row in part] == list(range(total)), "every image once, in order"
    assert [len(part) for part in parts] == sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
