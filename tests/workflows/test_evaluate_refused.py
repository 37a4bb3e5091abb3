"""`medcl evaluate`: what is refused, and in which words."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from medcl.study.errors import BadInput
from tests.workflows.evaluate_study import score, value, write_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Never changed."""
    return write_study(tmp_path_factory.mktemp("refused") / "study")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"target": None}, r"--target is missing.*gfr"),
    ({"target": "gfrr"}, "no column 'gfrr'"),
    ({"target": "constant"}, r"--target constant is constant: 3 in all 80 exams"),
    ({"target": "empty"}, "empty"),
    ({"features": "gone"}, r"--features gone: no such table.*knows"),
    ({"exam": "M99"}, r"--exam M99: not in knows.csv, which has D15, M12"),
    ({"sequence": "t9"}, "--sequence t9: not in knows.csv"),
    ({"adjust": "gfr"}, "--adjust gfr: the target itself"),
    ({"clinical_features": "gfr", "baselines": "clinical"}, "--clinical-features gfr: the target itself"),
    ({"adjust": "patient"}, "--adjust patient"),
    ({"probe": "forest"}, "the probes are linear, knn"),
    ({"baselines": "guess"}, "the baselines are mean, clinical, pixels, or none"),
    ({"baselines": "clinical"}, "name its variables with --clinical-features"),
    ({"baselines": "pixels"}, "there are no preprocessed volumes"),
    ({"clinical_features": "age"}, "the clinical baseline is not among --baselines"),
    ({"allow_seen": True, "leave_site": True}, "--allow-seen does not go with --leave-site"),
    ({"event": "failure", "target": "failure_days", "probe": "knn"}, "linear probe only"),
    ({"event": "failure", "target": None}, "two variables are needed"),
    ({"event": "failure", "time": "failure_days", "target": "gfr"}, "two variables are needed"),
    ({"event": "grade", "target": "failure_days"}, "cannot be read as an event: it holds 2, 3"),
    ({"event": "failure", "target": "sex"}, "holds words, and a time"),
    ({"event": "failure", "target": "gfr", "horizon": 30}, "unit 'mL/min/1.73m2' of gfr is no time"),
    ({"horizon": -1}, "--horizon"),
    ({"window": 3}, "--window goes with --horizon"),
    ({"name": "a/b"}, "--name a/b"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_is_refused(made: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        score(made, **({"features": "knows"} | options))


def test_no_table_and_tables_of_other_studies(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    other = write_study(tmp_path / "other")
    with pytest.raises(BadInput, match=r"a table of the study .*whose patients are others"):
        score(study, features=str(other / "features" / "knows.csv"))
    for row, text in enumerate(["Q", "P"]):
        table = (other / "features" / "knows.csv").read_text().replace("\nP", f"\n{text}")
        (tmp_path / f"alone{row}.csv").write_text(table)
    with pytest.raises(BadInput, match=r"None of the 80 rows .* Are they of the same study"):
        score(study, features=str(tmp_path / "alone0.csv"))
    assert value(score(study, features=str(tmp_path / "alone1.csv")), "alone1") > 0.9
    shutil.rmtree(study / "features")
    with pytest.raises(BadInput, match="There are no features in"):
        score(study)


def test_no_cohort_with_sites(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    table = (study / "cohort.csv").read_text()
    (study / "cohort.csv").write_text(table.replace(",site,", ",where,"))
    with pytest.raises(BadInput, match=r"--leave-site: .*cohort.csv has no column site"):
        score(study, features="knows", leave_site=True)


def test_a_folder_that_is_a_file_or_of_somebody_else(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    (study / "evaluations").mkdir()
    (study / "evaluations" / "taken").write_text("mine")
    with pytest.raises(BadInput, match="taken is a file, and the evaluation needs a folder"):
        score(study, features="knows", name="taken")
    (study / "evaluations" / "mine").mkdir()
    (study / "evaluations" / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="mine exists"):
        score(study, features="knows", name="mine", overwrite=False)
    score(study, features="knows", name="mine")
    assert (study / "evaluations" / "mine" / "notes.txt").read_text() == "mine"
