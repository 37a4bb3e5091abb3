"""`medcl pretrain` where memory is short, numbers break, or someone watches: what is chosen, told and kept."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.imaging.store import VolumeStore
from medcl.study.errors import BadInput
from medcl.training import loop, micro_batch, runner
from medcl.training import settings as settings_module
from medcl.training.checkpoint import read_checkpoint
from medcl.training.host_memory import Memory
from medcl.training.interrupt import Interrupted
from medcl.workflows import fold
from medcl.workflows.pretrain import Pretrained, PretrainOptions, pretrain

Medcl = Callable[..., tuple[int, str]]
IN_BATCH = {"variable": "gfr", "pairs": "in-batch", "epochs": 1, "name": "mine"}


def train(study: Path, **options: Any) -> Pretrained:
    """Pretrain with all pairs of batches of 8 images."""
    return pretrain(PretrainOptions.resolve({"study": study, **IN_BATCH, **options}))


def weights(done: Pretrained) -> str:
    """The hash of the exported encoder's weights."""
    assert done.run is not None
    return str(json.loads((done.run.path / "encoder.json").read_text())["weights_sha256"])


def record(study: Path) -> dict[str, Any]:
    """run.json."""
    return dict(json.loads((study / "runs" / "mine" / "run.json").read_text()))


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set how many bytes are free."""

    def set_free(count: int) -> None:
        monkeypatch.setattr(micro_batch, "device_memory", lambda device: Memory(count, 1 << 40))

    return set_free


def test_auto_divides_a_batch_that_does_not_fit_as_the_number_would(
    study: Path, medcl: Medcl, free: Callable[[int], None]
) -> None:
    free(0)
    words = ["--variable", "gfr", "--pairs", "in-batch", "--epochs", "1", "--name", "mine", "--micro-batch", "auto"]
    code, output = medcl("pretrain", "--study", study, *words)
    assert code == 0, output
    assert "--micro-batch auto: 2 of a step's 8 images pass the encoder at a time" in " ".join(output.split())
    assert (record(study)["options"]["micro_batch"], record(study)["micro_batch"]) == ("auto", 2)
    (process,) = record(study)["devices"]
    assert (process["rank"], process["host"]) == (0, socket.gethostname())
    assert process["device"] == record(study)["device"]
    assert {"medcl", "python", "torch", "monai", "numpy"} <= record(study)["versions"].keys()
    last = study / "runs" / "mine" / "checkpoints" / "last.pt"
    assert read_checkpoint(last)["options"]["micro_batch"] == 2
    chosen = json.loads((study / "runs" / "mine" / "encoder.json").read_text())["weights_sha256"]
    assert weights(train(study, name="number", micro_batch=2)) == chosen
    assert weights(train(study, name="all")) != chosen


def test_auto_divides_nothing_that_fits(study: Path, free: Callable[[int], None]) -> None:
    free(1 << 40)
    assert weights(train(study, micro_batch="auto")) == weights(train(study, name="all"))
    assert record(study)["micro_batch"] is None


def test_a_resumed_run_keeps_its_number_whatever_memory_there_is(
    study: Path, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(0)
    whole = weights(train(study, name="whole", micro_batch="auto"))

    def stop(self: Any, interruption: Any) -> None:
        self._save()
        raise Interrupted("Stopped.")

    with monkeypatch.context() as patch:
        patch.setattr(loop._Training, "_stop_if_asked", stop)
        with pytest.raises(Interrupted):
            train(study, micro_batch="auto")
    file = study / "runs" / "mine" / "run.json"
    file.write_text(json.dumps({**record(study), "status": "failed"}))
    free(1 << 40)
    assert weights(train(study, micro_batch="auto", resume=True)) == whole
    assert record(study)["micro_batch"] == 2


def test_auto_leaves_room_for_volumes_that_stay_on_the_device(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    choose = fold.choose_micro_batch

    def spy(*arguments: Any, **named: Any) -> Any:
        held.append(named["held"])
        return choose(*arguments, **named)

    monkeypatch.setattr(fold, "choose_micro_batch", spy)
    for cache in ("off", "on"):
        train(study, dry_run=True, micro_batch="auto", cache=cache)
    volumes = 20 * 8 * 16 * 16 * 2  # float16, of ten patients that train or validate
    assert held == [0, volumes]


@pytest.mark.parametrize("value", ["0", "many", "1.5"])
def test_micro_batch_is_a_number_or_auto(value: str) -> None:
    with pytest.raises(BadInput, match=f"--micro-batch: got '{value}'"):
        PretrainOptions.resolve({"variable": "gfr", "micro_batch": value})
    assert PretrainOptions.resolve({"variable": "gfr", "micro_batch": "auto"}).micro_batch == "auto"
    assert PretrainOptions.resolve({"variable": "gfr", "micro_batch": "4"}).micro_batch == 4


def test_a_dry_run_tells_memory_and_what_auto_would_do(
    study: Path, medcl: Medcl, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int | None] = []
    update = runner.StepRunner.run

    def spy(self: Any, *arguments: Any) -> None:
        parts.append(self.method.embedder.micro_batch)
        update(self, *arguments)

    monkeypatch.setattr(runner.StepRunner, "run", spy)
    free(0)
    words = ["pretrain", "--study", study, "--variable", "gfr", "--dry-run"]
    plain, auto = (" ".join(medcl(*words, *more)[1].split()) for more in ([], ["--micro-batch", "auto"]))
    for output in (plain, auto):
        assert "Memory at the peak" in output
        assert "--micro-batch auto: 2 of a step's 16 images" in output
    assert parts == [None, None, 2, 2]
    assert not (study / "runs").exists()


def test_a_dry_run_without_auto_goes_on_where_memory_is_not_told(
    study: Path, medcl: Medcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batch, "device_memory", lambda device: None)
    words = ["pretrain", "--study", study, "--variable", "gfr", "--dry-run"]
    code, output = medcl(*words)
    assert (code, "does not tell how much memory is free" in " ".join(output.split())) == (0, True)
    assert medcl(*words, "--micro-batch", "auto")[0] == 2


def test_out_of_memory_is_no_fault_of_medcl(study: Path, medcl: Medcl, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*_: Any) -> None:
        torch.empty(1 << 60)

    monkeypatch.setattr(runner.StepRunner, "_update", run_out)
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr", "--name", "mine")
    text = " ".join(output.split())
    assert code == 1
    assert "Out of memory at step 1 (epoch 1, batch 1 of 2)" in text
    assert "--micro-batch auto" in text
    assert "fault of medcl" not in text
    assert "problems" not in text, "it is one failure, told in several sentences"
    assert record(study)["status"] == "failed"


def test_a_broken_volume_is_named_and_its_batch_kept(
    study: Path, medcl: Medcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad: list[str] = []
    read = VolumeStore.read

    def broken_read(self: Any, entry: Any, out: Any = None) -> Any:
        volume = read(self, entry, out)
        if entry.case in (bad or [entry.case]):
            bad[:] = [entry.case]  # the first that is read is bad from then on
            volume[4, 8, 8] = np.nan
        return volume

    monkeypatch.setattr(VolumeStore, "read", broken_read)
    words = ["--variable", "gfr", "--pairs", "in-batch", "--name", "mine", "--workers", "1"]
    code, output = medcl("pretrain", "--study", study, *words)
    text = " ".join(output.split())
    assert code == 1
    assert f"came in with: {bad[0]}." in text
    content = torch.load(study / "runs" / "mine" / "not-finite-batch.pt", weights_only=True)
    assert bad[0] in content["volume_cases"]
    assert content["epoch"] == content["batch"] == 1


def test_tensorboard_shows_the_run_when_asked(study: Path, medcl: Medcl, monkeypatch: pytest.MonkeyPatch) -> None:
    train(study, tensorboard=True)
    assert list((study / "runs" / "mine" / "tensorboard" / "train").glob("events.*"))
    train(study, name="plain")
    assert not (study / "runs" / "plain" / "tensorboard").exists()
    monkeypatch.setattr(settings_module, "find_spec", lambda name: None)
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr", "--name", "third", "--tensorboard")
    assert code == 2
    assert "pip install 'medcl[tensorboard]'" in " ".join(output.split())
    assert not (study / "runs" / "third").exists()
