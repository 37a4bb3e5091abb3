"""Versions of what computed a result, read from the packages' metadata without importing them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import medcl

PACKAGES = ("torch", "monai", "numpy", "scipy", "pandas", "scikit-learn", "umap-learn", "nibabel", "pydicom")


def versions() -> dict[str, str]:
    """Versions of medcl, Python, the platform and the packages that are installed, by name."""
    found = {"medcl": medcl.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
