from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.errors import BadInput
from medcl.training.launching.membership import (
    GUARD,
    SLURM_PORTS,
    Membership,
    NotYetWorker,
    hosts_of,
    membership,
    tasks_per_node,
)

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "1",
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
}

SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_NODEID": "1",
    "SLURM_PROCID": "6",
    "SLURM_LOCALID": "2",
}


def without(environment: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}


def test_a_plain_process_is_alone() -> None:
    assert membership({"HOME": "/root"}) == Membership()
    assert membership({"RANK": "0"}) == Membership()  # some clusters set it for other purposes


def test_a_batch_script_and_a_step_of_one_task_are_alone() -> None:
    script = without(SLURM, "SLURM_STEP_NUM_TASKS")
    assert membership(script) == Membership()
    assert membership({**script, "SLURM_STEP_NUM_TASKS": "1"}) == Membership()


def test_a_worker_of_torchrun() -> None:
    member = Membership("torchrun", 5, 8, 1, 4, "node1", 29500, hosts=False, attempt=1)
    assert membership(TORCHRUN) == member
    assert membership({**TORCHRUN, **SLURM}) == member  # torchrun started in a SLURM step
    assert membership({**TORCHRUN, GUARD: "1"}).launcher == "medcl"


def test_without_torchruns_own_store_the_first_process_hosts_it() -> None:
    plain = without(TORCHRUN, "TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT")
    assert [membership({**plain, "RANK": rank}).hosts for rank in ("0", "1")] == [True, False]
    assert not membership({**TORCHRUN, "RANK": "0"}).hosts


def test_a_task_of_a_slurm_step() -> None:
    member = membership(SLURM)
    assert (member.launcher, member.rank, member.world) == ("srun", 6, 8)
    assert (member.local_rank, member.local_world, member.host, member.hosts) == (2, 4, "gpu07", False)
    assert member.port in SLURM_PORTS
    assert membership({**SLURM, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}).hosts


def test_ports_differ_between_steps_and_jobs_and_can_be_chosen() -> None:
    ports = {
        membership({**SLURM, "SLURM_JOB_ID": str(job), "SLURM_STEP_ID": str(step)}).port
        for job in (4711, 4712, 4713)
        for step in range(3)
    }
    assert len(ports) == 9
    assert membership({**SLURM, "MASTER_PORT": "15555", "MASTER_ADDR": "login"}).port == 15555
    assert membership({**SLURM, "MASTER_ADDR": "login"}).host == "login"


def test_a_worker_that_is_still_importing_is_told_by_the_guard_not_by_rank() -> None:
    with pytest.raises(NotYetWorker):
        membership({GUARD: "1"})
    with pytest.raises(NotYetWorker):
        membership({**SLURM, GUARD: "1"})


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "0"}, "WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT is not set"),
        (without(TORCHRUN, "LOCAL_RANK"), "LOCAL_RANK is not set"),
        ({**TORCHRUN, "WORLD_SIZE": "many"}, "WORLD_SIZE is 'many'; expected a whole number"),
        ({**TORCHRUN, "RANK": "8"}, "process 8 of 8"),
        ({**TORCHRUN, "LOCAL_RANK": "4"}, "4 of 4 on this machine"),
        ({**TORCHRUN, "MASTER_PORT": "70000"}, "MASTER_PORT is 70000"),
        (without(SLURM, "SLURM_PROCID"), "SLURM_PROCID is not set"),
        ({**SLURM, "SLURM_STEP_TASKS_PER_NODE": "4x2"}, "SLURM_STEP_TASKS_PER_NODE is '4x2'"),
        ({**SLURM, "SLURM_NODEID": "2"}, "SLURM_NODEID is 2"),
        ({**SLURM, "SLURM_STEP_NODELIST": "gpu[07"}, "node list 'gpu\\[07'"),
    ],
)
def test_incomplete_or_senseless_variables_are_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        membership(environment)


@pytest.mark.parametrize(
    ("nodes", "hosts"),
    [
        ("node1", ["node1"]),
        ("node[003-005,9]", ["node003", "node004", "node005", "node9"]),
        ("gpu-a[1-2],gpu-b7,c[09-10]", ["gpu-a1", "gpu-a2", "gpu-b7", "c09", "c10"]),
        ("r[1-2]n[1,3].site", ["r1n1.site", "r1n3.site", "r2n1.site", "r2n3.site"]),
        ("tux[08-11]", ["tux08", "tux09", "tux10", "tux11"]),
    ],
)
def test_node_lists_are_read(nodes: str, hosts: list[str]) -> None:
    assert hosts_of(nodes) == hosts


@pytest.mark.parametrize("nodes", ["", "node[1-", "a b", "node[1-2]]"])
def test_what_is_no_node_list_is_refused(nodes: str) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        hosts_of(nodes)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 20), st.integers(1, 5)), min_size=1, max_size=4))
def test_ranges_come_back_as_they_were_written(ranges: list[tuple[int, int, int]]) -> None:
    spans = [(str(low).zfill(width), str(low + more).zfill(width)) for low, more, width in ranges]
    written = "n[" + ",".join(f"{low}-{high}" for low, high in spans) + "]"
    expected = [f"n{number:0{len(low)}d}" for low, high in spans for number in range(int(low), int(high) + 1)]
    assert hosts_of(written) == expected


@given(st.lists(st.tuples(st.integers(1, 16), st.integers(1, 9)), min_size=1, max_size=5))
def test_tasks_per_node_are_written_out(counts: list[tuple[int, int]]) -> None:
    written = ",".join(f"{tasks}(x{nodes})" if nodes > 1 else str(tasks) for tasks, nodes in counts)
    assert tasks_per_node(written) == [tasks for tasks, nodes in counts for _ in range(nodes)]
