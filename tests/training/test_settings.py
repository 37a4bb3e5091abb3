from __future__ import annotations

import subprocess
import sys

import pytest

from medcl.study.errors import BadInput
from medcl.training.settings import TrainingSettings


def test_defaults_are_the_papers() -> None:
    settings = TrainingSettings()
    assert (settings.optimizer, settings.lr, settings.momentum, settings.clip) == ("sgd", 1e-2, 0.9, 1.0)
    assert (settings.epochs, settings.warmup) == (60, 5)


@pytest.mark.parametrize(("epochs", "warmup"), [(60, 5), (200, 5), (12, 1), (3, 0.25)])
def test_warmup_is_a_twelfth_of_short_runs(epochs: int, warmup: float) -> None:
    assert TrainingSettings(epochs=epochs).warmup == pytest.approx(warmup)


def test_all_problems_come_together_in_the_words_of_the_flags() -> None:
    with pytest.raises(BadInput) as error:
        TrainingSettings(
            epochs=0,
            optimizer="lion",
            lr=0,
            momentum=1,
            weight_decay=-1,
            clip=0,
            precision="fp8",
            checkpoint_steps=0,
            schedule="up",
            start_lr=0.1,
            end_lr=-1,
        )
    flags = [
        "optimizer",
        "precision",
        "schedule",
        "epochs",
        "lr",
        "start-lr",
        "end-lr",
        "momentum",
        "weight-decay",
        "clip",
        "checkpoint-steps",
    ]
    assert [problem.split()[0] for problem in error.value.problems] == [f"--{flag}" for flag in flags]


def test_warmup_longer_than_the_run_is_refused() -> None:
    with pytest.raises(BadInput, match="--warmup-epochs is 5; expected from 0 to below the 3 epochs"):
        TrainingSettings(epochs=3, warmup_epochs=5)


@pytest.mark.parametrize("wrong", [{"start_lr": 0.0}, {"start_lr": 0.2}, {"end_lr": -0.1}, {"end_lr": 0.2}], ids=str)
def test_start_and_end_lie_within_the_peak(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(BadInput, match=f"--{name.replace('_', '-')} is .*the --lr of 0.1") as error:
        TrainingSettings(lr=0.1, **wrong)
    assert len(error.value.problems) == 1
    within = TrainingSettings(lr=0.1, start_lr=0.1, end_lr=0.1)
    assert (within.start, within.end) == (1, 1)
    assert (TrainingSettings().start, TrainingSettings().end) == (None, 0)


def test_epochs_before_the_line_are_half_of_all_unless_told() -> None:
    assert TrainingSettings(epochs=9, schedule="linear").constant == 4.5
    assert TrainingSettings(epochs=9, schedule="linear", constant_epochs=0).constant == 0
    assert TrainingSettings(epochs=9, schedule="linear", constant_epochs=9).constant == 9
    assert TrainingSettings(epochs=9).constant == 0


@pytest.mark.parametrize("epochs", [-1, 9.5])
def test_a_line_begins_within_the_run(epochs: float) -> None:
    with pytest.raises(BadInput, match=f"--constant-epochs is {epochs}; expected from 0 to the 9 epochs"):
        TrainingSettings(epochs=9, schedule="linear", constant_epochs=epochs)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_schedules_without_a_line_have_no_epochs_before_it(schedule: str) -> None:
    told = f"--constant-epochs is 4; expected to be left out with --schedule {schedule}, or --schedule linear"
    with pytest.raises(BadInput, match=told) as error:
        TrainingSettings(epochs=9, schedule=schedule, constant_epochs=4)
    assert len(error.value.problems) == 1


def test_settings_import_no_torch() -> None:
    code = "import sys, medcl.training.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
