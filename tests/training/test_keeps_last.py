"""Methods that keep their last epoch though they have no phases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from phased_toy import TwoPhases
from test_loop import Listener, rows
from torch import Tensor
from training_toy import EPOCHS, ToyBatch, ToyMethod, run

from medcl.training.checkpoint import content_checksum, read_checkpoint
from medcl.training.keeps_last import keeps_last


class Worsening(ToyMethod):
    """Its validation loss rises from epoch to epoch."""

    judged = 0

    def validate(self, batch: ToyBatch) -> dict[str, Tensor]:
        self.judged += 1
        return {"loss": torch.tensor(float(self.judged)), "weight": torch.tensor(1.0)}


class Lasting(Worsening):
    """Says so."""

    keeps_last = True


def test_who_keeps_the_last_epoch() -> None:
    assert keeps_last(Lasting())
    assert keeps_last(TwoPhases()), "methods of phases do without saying so"
    assert not keeps_last(ToyMethod())
    undecided = Lasting()
    undecided.keeps_last = False
    assert not keeps_last(undecided)


@pytest.mark.parametrize("kind", [Lasting, Worsening])
def test_the_last_epochs_weights_are_kept_and_told_so(tmp_path: Path, kind: type[ToyMethod]) -> None:
    """The twin is the same method that does not say so."""
    listener = Listener()
    result = run(tmp_path, method=kind(), report=listener)
    val = [float(row["loss"]) for row in rows(tmp_path) if row["split"] == "val"]
    assert val == sorted(val), "the first epoch has the lowest validation loss"
    best, last = read_checkpoint(result.best), read_checkpoint(result.last)
    same = content_checksum(best["method"]) == content_checksum(last["runner"]["method"])
    lasting = kind is Lasting
    assert same == lasting
    assert result.keeps_last == lasting
    assert (result.best_epoch, result.best_loss) == ((EPOCHS, val[-1]) if lasting else (1, val[0]))
    assert any(summary.best for summary in listener.summaries) != lasting
    told = "this method keeps the last epoch's weights" if lasting else "best validation loss"
    assert told in result.sentences()[0]
