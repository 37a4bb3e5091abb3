from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medcl.study.errors import BadInput
from medcl.training.resume import MAY_CHANGE, plain_options, refuse_changed_options
from medcl.training.saved_options import run_options, tell_other_machine
from medcl.training.settings import TrainingSettings


def test_every_difference_is_shown_in_flag_names_with_both_values() -> None:
    saved = {"lr": 0.01, "batch_size": 48, "variable": "gfr", "folds": None}
    now = {"lr": 0.02, "batch_size": 48, "variable": "gfr", "folds": 5, "margin": 0.5}
    with pytest.raises(BadInput) as error:
        refuse_changed_options(saved, now, "runs/gfr")
    assert error.value.problems[1:-1] == [
        "  --lr: 0.01 in the run, 0.02 now",
        "  --folds: not given in the run, 5 now",
        "  --margin: not given in the run, 0.5 now",
    ]
    assert "runs/gfr" in error.value.problems[0]
    assert "start a new run" in error.value.problems[-1]


def test_options_that_do_not_enter_the_result_may_change() -> None:
    assert {"workers", "resume"} <= MAY_CHANGE
    assert not {"device", "seed", "batch_size", "precision"} & MAY_CHANGE
    refuse_changed_options({"workers": 2, "seed": 1}, {"workers": 8, "seed": 1, "resume": True}, "runs/gfr")
    with pytest.raises(BadInput, match="--workers"):
        refuse_changed_options({"workers": 2}, {"workers": 8}, "runs/gfr", may_change=())


def test_plain_options_survive_a_checkpoint(tmp_path: Path) -> None:
    options = plain_options({"path": Path("a/b"), "size": (1, 2), "names": {"y", "x"}, "inner": {"none": None}})
    assert options == {"path": str(Path("a/b")), "size": [1, 2], "names": ["x", "y"], "inner": {"none": None}}
    torch.save(options, tmp_path / "options.pt")
    assert torch.load(tmp_path / "options.pt", weights_only=True) == options
    with pytest.raises(TypeError, match="Tensor"):
        plain_options({"tensor": torch.ones(1)})


def test_run_options_hold_what_auto_came_to() -> None:
    options = run_options(TrainingSettings(epochs=12), torch.device("cpu"), {"variable": "gfr", "precision": "auto"})
    assert options["precision"] in ("fp32", "bf16")
    assert (options["device"], options["gpus"], options["warmup_epochs"], options["variable"]) == ("cpu", 1, 1, "gfr")


def test_another_machine_is_told_by_what_differs() -> None:
    card = {"machine": {"threads": 2, "device": "cpu (a)"}, "versions": {"medcl": "1", "torch": "2.13.0"}}
    other = {"machine": {"threads": 4, "device": "cpu (a)"}, "versions": {"medcl": "1", "torch": "2.14.0"}}
    assert tell_other_machine(card, card) == []
    threads, torch_version = tell_other_machine(card, other)
    assert "made with CPU threads 2, this is 4" in threads
    assert "torch 2.13.0, this is 2.14.0" in torch_version
