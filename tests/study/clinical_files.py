"""Small cohorts and clinical tables as files, for the tests of clinical tables."""

from __future__ import annotations

from pathlib import Path

from medcl.study.clinical import join_clinical
from medcl.study.cohort import Cohort, read_cohort

COHORT = """\
patient,exam,image,gfr [mL/min]
P001,D15,a,40
P001,M3,b,50
P001,M12,c,
P002,D15,d,60
P002,M12,e,70
"""


def written(folder: Path, **tables: str) -> list[Path]:
    """Write tables by name; return their paths in that order."""
    folder.mkdir(exist_ok=True)
    files = []
    for name, text in tables.items():
        file = folder / f"{name}.csv"
        file.write_text(text, encoding="utf-8")
        files.append(file)
    return files


def joined(folder: Path, cohort: str = COHORT, **tables: str) -> Cohort:
    """The cohort of these texts with its clinical tables."""
    (file,) = written(folder, cohort=cohort)
    return join_clinical(read_cohort(file, need_images=False), written(folder, **tables))
