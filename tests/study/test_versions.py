"""Versions without importing what they are of."""

from __future__ import annotations

import subprocess
import sys

import medcl
from medcl.study.versions import versions


def test_versions_of_what_is_installed() -> None:
    found = versions()
    assert found["medcl"] == medcl.__version__
    assert found["python"] == sys.version.split()[0]
    assert {"torch", "numpy", "pandas"} <= set(found)


def test_nothing_heavy_is_imported_by_the_light_files() -> None:
    code = (
        "import sys, medcl.study.runs, medcl.study.settings, medcl.study.versions; medcl.study.versions.versions();"
        "print([name for name in ('torch', 'monai', 'pandas', 'numpy', 'scipy', 'sklearn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
