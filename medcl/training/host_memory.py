"""How much memory the machine has and has left, or the container or job where that is less. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FILES = {
    "v2": ("memory.max", "memory.current", "inactive_file"),
    "v1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of a control group, by the kernel's version of them: limit, use, and the part of the use that is given up when
memory gets short (file cache), as memory.stat names it."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a machine or a device.

    Attributes:
        free: that can still be had.
        total: that there are.
    """

    free: int
    total: int


def host_memory(root: Path = Path("/")) -> Memory | None:
    """Return what this process may use; None where the system does not tell.

    Args:
        root: of the file system that describes the machine, for tests.
    """
    found = _machine(root)
    for folder, version in _control_groups(root):
        limited = _group(folder, version)
        if found is not None and limited is not None:
            found = Memory(min(found.free, limited.free), min(found.total, limited.total))
    return found


def _machine(root: Path) -> Memory | None:
    """The kernel's own account; without one (macOS) the pages that there are, all thought to be free."""
    amounts = {}
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            amounts[name] = int(words[0]) * 1024
    if "MemTotal" in amounts and "MemAvailable" in amounts:
        return Memory(amounts["MemAvailable"], amounts["MemTotal"])
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return Memory(total, total)


def _control_groups(root: Path) -> list[tuple[Path, str]]:
    """This process's control groups of memory and all that they lie in, since each may have a limit."""
    top = root / "sys/fs/cgroup"
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            base, version = top / "memory", "v1"
        elif controllers == "":
            base, version = top, "v2"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        found += [(base / own, version), *((base / above, version) for above in own.parents)]
    return found


def _group(folder: Path, version: str) -> Memory | None:
    limit_file, use_file, cache = FILES[version]
    limit, use = _text(folder / limit_file).strip(), _text(folder / use_file).strip()
    if not limit.isdecimal() or not use.isdecimal():  # absent, or "max": no limit
        return None
    stat = dict(line.split(maxsplit=1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
    held = int(use) - int(stat.get(cache, 0))
    return Memory(max(0, int(limit) - max(0, held)), int(limit))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
