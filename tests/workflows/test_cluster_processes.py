"""`medcl cluster train` in two processes on the CPU gives the clusters of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import medcl as package
from medcl.workflows.cluster_train import cluster_train
from tests.workflows.cluster_study import npz_study, numbers, quick, table

REPOSITORY = Path(package.__file__).parents[1]

pytestmark = [pytest.mark.ddp, pytest.mark.slow]


def test_two_processes_end_like_one(tmp_path: Path) -> None:
    study, file = npz_study(tmp_path / "study")
    alone = cluster_train(quick(study, npz=file, name="alone")).run
    assert alone is not None
    words = ["--npz", file.name, "--name", "two", "--gpus", "2", "--clusters", "3", "--epochs", "4"]
    words += ["--batch-size", "12", "--maps", "pca", "--stability", "2", "--pictures", "2"]
    words += ["--precision", "fp32", "--device", "cpu", "--workers", "1"]
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "medcl", "cluster", "train", *words],
        cwd=study.root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    two = study.runs / "two"
    assert json.loads((two / "run.json").read_text())["processes"] == 2
    assert done.stdout.count("Next: medcl cluster apply") == 1
    assert done.stdout.count("KMeans finds 3 clusters") == 1
    mine, theirs = table(alone.path / "assignments.csv"), table(two / "assignments.csv")
    assert [row["cluster"] for row in mine] == [row["cluster"] for row in theirs]
    for one, other in zip(mine, theirs, strict=True):
        for name in ("p1", "p2", "p3", "error"):
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-3, abs=1e-5), name
    for row, same in zip(numbers(alone.path)[1:], numbers(two)[1:], strict=True):
        assert [bool(cell) for cell in row] == [bool(cell) for cell in same]
        assert float(row[3]) == pytest.approx(float(same[3]), rel=1e-3)
