from __future__ import annotations

import pytest
import torch

from medcl.training import whole_batch
from medcl.training.whole_batch import whole_batch_mean


def test_the_mean_over_ranks_is_the_mean_over_all_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three terms on one rank and one on the other."""
    terms = torch.tensor([1.0, 2.0, 6.0, 11.0])
    monkeypatch.setattr(whole_batch, "world_size", lambda: 2)
    ranks = [whole_batch_mean(part.sum(), 4) for part in (terms[:3], terms[3:])]
    assert torch.stack(ranks).mean() == terms.mean()
    wrong = torch.stack([terms[:3].mean(), terms[3:].mean()]).mean()  # what a mean of each rank's own would give
    assert wrong != terms.mean()


def test_no_terms_give_zero() -> None:
    assert whole_batch_mean(torch.zeros(()), 0) == 0
