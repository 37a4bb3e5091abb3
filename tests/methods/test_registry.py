"""The registry stays light and agrees with what can be built."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch

from medcl.data.task_options import TaskOptions
from medcl.data.tasks import PAIR_TASKS, SAMPLINGS
from medcl.methods.build import MethodOptions, build_method, build_prompt_method
from medcl.methods.dense import DenseOptions
from medcl.methods.prompts import PromptOptions
from medcl.methods.registry import CLUSTERING_METHODS, METHODS
from medcl.study.errors import BadInput
from medcl.training.settings import TrainingSettings


def test_importing_the_registry_imports_no_torch() -> None:
    code = "import sys, medcl.methods.registry; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_method_can_be_built_and_has_its_task() -> None:
    assert set(METHODS) == {*PAIR_TASKS, "simclr", "dense", "prompts"}
    for name, method in METHODS.items():
        assert set(method.pairs) in (set(), set(SAMPLINGS))
        for pairs in method.pairs or ("sampled",):
            options = MethodOptions(network="resnet10", prompts=PromptOptions(text_encoder="scratch"))
            with torch.device("cpu" if name == "prompts" else "meta"):  # texts are put into tokens on the host
                built = (
                    build_prompt_method((8, 16, 16), ["low", "high"], ["low", "high"], 4, options)
                    if name == "prompts"
                    else build_method(name, pairs, (8, 16, 16), 4, options)
                )
            assert built.encoder.features == 512
            assert built.collapse_loss > 0


def test_options_that_are_named_exist() -> None:
    known = {field.name for owner in (TaskOptions, MethodOptions) for field in fields(owner)}
    known |= {f"dense_{field.name}" for field in fields(DenseOptions)}
    known |= {field.name for field in fields(PromptOptions)}
    elsewhere = {"pairs", "variable", "pairs_per_epoch", "steps_per_epoch", "images_per_epoch", "dense_warmup", "rules"}
    assert {option for method in METHODS.values() for option in method.options} <= known | elsewhere  # of the command
    of_trainings = {field.name for field in fields(TrainingSettings)} | {"dropout"}
    for method in METHODS.values():
        assert set(method.defaults) <= set(method.options) | of_trainings


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"margin": 1.0, "dropout": 1.0}, ["--margin", "--dropout"]),
        ({"temperature": 0.0}, ["--temperature"]),
        ({"micro_batch": 0}, ["--micro-batch"]),
    ],
)
def test_options_out_of_range_are_refused_together(options: dict[str, float], flags: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        MethodOptions(**options)
    assert len(refused.value.problems) == len(flags)
    assert all(flag in str(refused.value) for flag in flags)


def test_options_reach_the_networks() -> None:
    options = MethodOptions(network="resnet10", dropout=0.3, margin=0.5, temperature=0.1, micro_batch=2)
    pair = build_method("variable", "in-batch", (8, 16, 16), 4, options)
    simclr = build_method("simclr", "sampled", (8, 16, 16), 4, options)
    assert (pair.margin, pair.pairs, simclr.temperature, simclr.images) == (0.5, "in-batch", 0.1, 4)
    assert {m.p for m in simclr.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
    assert pair.embedder.micro_batch == simclr.embedder.micro_batch == 2
    dense = build_method("dense", "sampled", (8, 16, 16), 4, replace(options, dense=DenseOptions(stride=16)))
    assert (dense.options, dense.images) == (DenseOptions(stride=16, temperature=0.1), 4)
    assert dense.embedder.micro_batch == dense.keys.micro_batch == 2


def test_each_method_has_its_own_temperature() -> None:
    built = [build_method(name, "sampled", (1, 16, 16), 4, MethodOptions("resnet10")) for name in ("simclr", "dense")]
    assert built[0].temperature == 0.5
    assert built[1].options.temperature == METHODS["dense"].defaults["temperature"] == 0.1


def test_options_of_the_clustering_are_flags_of_its_command() -> None:
    from medcl.workflows.cluster_train import ClusterTrainOptions

    (method,) = CLUSTERING_METHODS.values()
    assert set(method.options) <= set(ClusterTrainOptions.model_fields)
    assert method.pairs == ()
