"""A fold refuses batches of which a process would get nothing, before a run folder is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.workflows import fold
from medcl.workflows.pretrain import PretrainOptions, pretrain


def test_a_batch_smaller_than_the_world_is_refused(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = PretrainOptions.resolve({"study": study, "variable": "gfr", "pairs": "in-batch", "batch_size": 4})
    monkeypatch.setattr(fold, "world_size", lambda: 5)
    with pytest.raises(BadInput, match=r"A batch of 4 images cannot be shared among 5 processes.*--batch-size"):
        pretrain(options)
    assert not (study / "runs").exists()
    monkeypatch.setattr(fold, "world_size", lambda: 4)
    assert pretrain(options.model_copy(update={"dry_run": True})).forecast is not None
