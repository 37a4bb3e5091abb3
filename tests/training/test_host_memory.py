from __future__ import annotations

from pathlib import Path

import pytest

from medcl.training import host_memory as module
from medcl.training.host_memory import Memory, host_memory

GIB = 1 << 30


def machine(root: Path, groups: str, **files: str) -> Path:
    """A machine of 64 GiB, 40 of them available, with control groups."""
    kib = GIB // 1024
    written = {
        "proc/meminfo": f"MemTotal: {64 * kib} kB\nMemFree: {kib} kB\nMemAvailable: {40 * kib} kB\nHugePages: 0\n",
        "proc/self/cgroup": groups,
        **{name.replace("__", "/"): text for name, text in files.items()},
    }
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(root: Path, folder: str, **files: str) -> None:
    """Files of a control group."""
    (root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / "sys/fs/cgroup" / folder / name.replace("_", ".", 1)).write_text(text)


def test_machine_without_limits(tmp_path: Path) -> None:
    assert host_memory(machine(tmp_path, "0::/\n")) == Memory(40 * GIB, 64 * GIB)


def test_limit_of_a_job_counts_and_file_cache_does_not(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/slurm/job_7\n")
    group(root, "slurm/job_7", memory_max=f"{8 * GIB}\n", memory_current=f"{5 * GIB}\n")
    group(root, "slurm/job_7", memory_stat=f"anon 1\ninactive_file {2 * GIB}\n")
    assert host_memory(root) == Memory(5 * GIB, 8 * GIB)


def test_limit_of_a_group_above_counts_too(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/slurm/job_7/step_0\n")
    group(root, "slurm/job_7/step_0", memory_max="max\n", memory_current=f"{GIB}\n")
    group(root, "slurm/job_7", memory_max=f"{8 * GIB}\n", memory_current=f"{7 * GIB}\n")
    assert host_memory(root) == Memory(GIB, 8 * GIB)


def test_first_version_of_control_groups(tmp_path: Path) -> None:
    root = machine(tmp_path, "5:cpu:/x\n4:memory:/docker/abc\n0::/\n")
    folder = root / "sys/fs/cgroup/memory/docker/abc"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{3 * GIB}\n")
    (folder / "memory.stat").write_text(f"inactive_file 9\ntotal_inactive_file {GIB}\n")
    assert host_memory(root) == Memory(2 * GIB, 4 * GIB)


def test_a_group_beyond_its_limit_has_nothing_left(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/a\n")
    group(root, "a", memory_max=f"{GIB}\n", memory_current=f"{2 * GIB}\n")
    assert host_memory(root) == Memory(0, GIB)


def test_system_without_these_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(module.os, "sysconf", pages.__getitem__, raising=False)
    assert host_memory(tmp_path) == Memory(3 * 4096, 3 * 4096)
    monkeypatch.delattr(module.os, "sysconf")
    assert host_memory(tmp_path) is None
