"""From the names on the command line to a task."""

from __future__ import annotations

from medcl.data.dense_task import DenseTask
from medcl.data.in_batch_task import InBatchTask
from medcl.data.patient_pairs import patient_curriculum
from medcl.data.plan import Task
from medcl.data.sampled_task import SampledTask
from medcl.data.samples import Samples
from medcl.data.simclr_task import SimclrTask
from medcl.data.task_options import TaskOptions
from medcl.data.variable_pairs import variable_curriculum

PAIR_TASKS = {"variable": variable_curriculum, "patient": patient_curriculum}
SAMPLINGS: dict[str, type[SampledTask] | type[InBatchTask]] = {"sampled": SampledTask, "in-batch": InBatchTask}


def build_task(method: str, pairs: str, samples: Samples, options: TaskOptions) -> Task:
    """Return the task of `--method` (variable, patient, simclr, dense) and `--pairs` (sampled, in-batch).

    `simclr` and `dense` make their pairs from views and take no notice of `pairs`.

    Raises:
        BadInput: the samples do not hold the pairs that the task needs.
    """
    if method == "simclr":
        return SimclrTask(samples, options)
    if method == "dense":
        return DenseTask(samples, options)
    curriculum = PAIR_TASKS[method](samples, options)
    return SAMPLINGS[pairs](curriculum, options)
