"""`medcl evaluate`: who is scored, what the tables hold, that every option counts, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from medcl.cli.evaluate import command
from medcl.study.errors import BadInput
from medcl.workflows import evaluate_scoring
from medcl.workflows.evaluate_files import COMPARISON_COLUMNS, PREDICTION_COLUMNS, SCORE_COLUMNS
from tests.workflows.evaluate_study import GFR, PATIENTS, lines, score, value, write_study, write_table

HELD_OUT = {f"P{number:02d}" for number in range(20, 40)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("evaluate") / "study")


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "study"))


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests are quick."""
    for name in ("probe.ALPHAS", "probe.PENALTIES", "cox_probe.PENALTIES"):
        monkeypatch.setattr(f"medcl.evaluation.{name}", (1.0, 100.0))
    monkeypatch.setattr("medcl.evaluation.probe.STRENGTHS", (0.1, 1.0))
    monkeypatch.setattr("medcl.evaluation.probe.NEIGHBOURS", (3, 5))


def test_who_knows_who_does_not_and_who_learnt_by_heart(study: Path) -> None:
    done = score(study, features="knows,nothing,heart", permutations=19)
    assert value(done, "knows") > 0.9
    assert value(done, "nothing") < 0.2
    assert value(done, "heart") < 0 < value(done, "knows", "held-out patients")
    assert value(done, "mean") <= 0
    tested = {line["features"]: line["p"] for line in lines(done) if line["score"] == "r2" and line["p"]}
    assert float(tested["knows"]) == 0.05
    assert "mean" not in tested
    predicted = lines(done, "predictions.csv")
    assert {line["patient"] for line in predicted} == HELD_OUT
    assert {line["seen"] for line in predicted} == {"no"}
    truth = {(line["patient"], line["exam"]): float(line["truth"]) for line in predicted}
    assert len(truth) == 40
    assert truth["P25", "M12"] == pytest.approx(GFR[25] + 2, abs=0.01)
    pairs = {(line["first"], line["second"]) for line in lines(done, "comparisons.csv")}
    assert pairs == {
        *(("knows", "nothing"), ("knows", "heart"), ("nothing", "heart")),
        *((name, "mean") for name in ("knows", "nothing", "heart")),
    }
    better = next(line for line in lines(done, "comparisons.csv") if line["second"] == "nothing")
    assert float(better["low"]) > 0
    assert float(better["p_corrected"]) >= float(better["p"])


def test_the_files(study: Path) -> None:
    done = score(study, features="heart", page=True)
    assert done.folder == study / "evaluations" / "gfr-heart"
    assert sorted(os.listdir(done.folder)) == [
        *("comparisons.csv", "evaluation.html", "evaluation.json", "predictions.csv", "scores.csv")
    ]
    for name, columns in (
        ("scores.csv", SCORE_COLUMNS),
        ("comparisons.csv", COMPARISON_COLUMNS),
        ("predictions.csv", PREDICTION_COLUMNS),
    ):
        assert (done.folder / name).read_text().splitlines()[0] == ",".join(columns)
    card = json.loads((done.folder / "evaluation.json").read_text())
    assert card["target"]["kind"] == "numeric"
    assert card["features"][0]["run"] == "run-heart"
    assert "Regression: gfr holds numbers." in card["said"]
    page = done.page.read_text() if done.page else ""
    assert "Regression: gfr holds numbers." in page
    assert "P25 M12" in page
    assert "validation patients" in page
    assert "was trained by this target" in page
    with pytest.raises(BadInput, match=r"gfr-heart exists\. Replace it with --overwrite"):
        score(study, features="heart", overwrite=False)
    again = score(study, features="heart", page=False)
    assert again.page is None
    assert not (done.folder / "evaluation.html").exists()


def test_comparisons_are_corrected_by_probe_and_fit_and_equal_ones_left_out(study: Path) -> None:
    shutil.copy(study / "features" / "knows.csv", study / "features" / "copy.csv")
    done = score(study, features="knows,nothing,copy", probe="linear,knn")
    found = lines(done, "comparisons.csv")
    assert len(found) == 4 * 5
    for probe in ("linear", "knn"):
        for side in ("training patients", "held-out patients"):
            p = [
                (float(line["p"]), float(line["p_corrected"]))
                for line in found
                if (line["probe"], line["fitted_on"]) == (probe, side)
            ]
            assert min(p)[1] == pytest.approx(min(1, 5 * min(p)[0]), rel=1e-3)
    said = json.loads((done.folder / "evaluation.json").read_text())["said"]
    assert any("knows and copy predict the same of every exam" in note for note in said)
    assert any("With 5 comparisons and 40 draws no corrected p can be below 0.24" in note for note in said)


def test_page_without_names(study: Path) -> None:
    rows = [f"P{number},{number}" for number in range(20, 30)]  # joining it is told with names
    (study / "clinical.csv").write_text("\n".join(["patient,weight", *rows]) + "\n")
    named, nameless = (
        score(study, features="knows", page=True, no_ids=hidden, name=str(hidden)) for hidden in (False, True)
    )
    assert named.page
    assert "P00" in named.page.read_text()
    assert nameless.page
    assert "P00" not in nameless.page.read_text()
    assert "P25" not in nameless.page.read_text()


def test_patients_that_the_encoder_saw_are_refused_and_marked(study: Path) -> None:
    write_table(study, "seen", np.column_stack([GFR, GFR]), splits=["train"] * PATIENTS)
    with pytest.raises(BadInput, match=r"seen: encoder run-seen has no row of patients that .*--allow-seen"):
        score(study, features="seen")
    done = score(study, features="seen", allow_seen=True, page=True)
    assert {line["seen"] for line in lines(done) if line["features"] == "seen"} == {"yes"}
    assert {line["seen"] for line in lines(done) if line["features"] == "mean"} == {"no"}
    assert len({line["patient"] for line in lines(done, "predictions.csv")}) == PATIENTS
    page = done.page.read_text() if done.page else ""
    assert "SEEN IN TRAINING" in page
    assert "seen · seen in training</th>" in page
    assert "mean · seen in training" not in page
    first = next(line for line in lines(done) if line["features"] == "seen" and line["value"] == "")
    assert first["reason"].startswith("with --allow-seen, training patients are among those that are scored")


def test_a_run_of_another_study_is_scored_as_held_out(study: Path) -> None:
    write_table(study, "outside", np.column_stack([GFR, GFR[::-1]]), splits=["new"] * PATIENTS)
    done = score(study, features="outside", page=True)
    assert value(done, "outside", "held-out patients") > 0.9
    first = next(line for line in lines(done) if line["features"] == "outside")
    assert (first["value"], first["seen"]) == ("", "no")
    assert "no training patients" in first["reason"]
    assert len({line["patient"] for line in lines(done, "predictions.csv")}) == PATIENTS
    assert done.page
    assert "the encoder is of another study" in done.page.read_text()


def test_folds_are_pooled_and_never_mixed(study: Path) -> None:
    folds = [["test" if place % 4 == fold else "train" for place in range(PATIENTS)] for fold in range(4)]
    features = np.column_stack([GFR, np.random.default_rng(3).normal(size=PATIENTS)])
    write_table(study, "folds", features, folds=folds)
    done = score(study, features="folds")
    line = next(line for line in lines(done) if line["features"] == "folds")
    assert (line["cases"], line["patients"], line["fits"]) == ("80", "40", "4")
    assert value(done, "folds") > 0.95
    mixed = write_table(study, "mixed", features, folds=folds)
    text = mixed.read_text().splitlines()
    head = text[0].split(",")
    place = head.index("fold")
    rows = [row.split(",") for row in text[1:]]
    with_test = [",".join([*row[:place], "1", *row[place + 1 :]]) for row in rows if row[3] == "test"]
    mixed.write_text("\n".join([text[0], *with_test]) + "\n")  # four encoders as one: what this would score is wrong
    assert value(score(study, features="mixed"), "mixed", "held-out patients") < value(done, "folds")


CHANGES: dict[str, dict[str, Any]] = {
    "target": {"target": "age"},
    "features": {"features": "nothing"},
    "exam": {"exam": "M12"},
    "probe": {"probe": "knn"},
    "both probes": {"probe": "linear,knn"},
    "adjust": {"adjust": "age,sex"},
    "leave_site": {"leave_site": True},
    "baselines": {"baselines": "none"},
    "clinical_features": {"clinical_features": "age", "baselines": "mean,clinical"},
    "allow_seen": {"allow_seen": True},
    "permutations": {"permutations": 19},
    "bootstrap": {"bootstrap": 50},
    "seed": {"seed": 1},
}


def test_every_option_changes_the_scores(study: Path) -> None:
    tables = {
        name: (score(study, name=name.replace(" ", "-"), **({"features": "knows"} | options)).folder / "scores.csv")
        for name, options in {"plain": {}, "again": {}, **CHANGES}.items()
    }
    texts = {name: path.read_text() for name, path in tables.items()}
    assert texts.pop("again") == texts["plain"]
    assert len(set(texts.values())) == len(texts)


def test_the_newest_table_unless_told(study: Path) -> None:
    os.utime(study / "features" / "nothing.csv", (9e9, 9e9))
    assert lines(score(study))[0]["features"] == "nothing"


def test_sequences_are_averaged_or_side_by_side(tmp_path: Path) -> None:
    study = write_study(tmp_path / "two", ("water", "t2"))
    mean, beside = (score(study, features="knows", sequences=how, name=how) for how in ("mean", "concatenate"))
    one = score(study, features="knows", sequence="t2", name="t2")
    sets = [done.scored[0].candidate.of.exams.features for done in (mean, beside, one)]
    assert [found.shape for found in sets] == [(80, 4), (80, 8), (80, 4)]
    np.testing.assert_allclose(sets[0], sets[2] - 1.5, rtol=1e-5)
    assert lines(mean) != lines(beside)


def test_covariates_alone_stand_beside_and_what_features_add_is_compared(study: Path) -> None:
    done = score(study, features="nothing", adjust="age,sex", clinical_features="age", baselines="mean,clinical")
    names = list(dict.fromkeys(line["features"] for line in lines(done)))
    assert names == ["nothing + age, sex", "mean", "clinical: age, sex", "clinical: age"]
    pairs = [(line["first"], line["second"]) for line in lines(done, "comparisons.csv")]
    assert ("nothing + age, sex", "clinical: age, sex") in pairs


def test_leaving_a_site_out(study: Path) -> None:
    done = score(study, features="knows", leave_site=True)
    pooled = done.scored[0].found.pooled
    assert pooled is not None
    assert [part.fit.name for part in pooled.parts] == [f"encoder run-knows, site {site} left out" for site in "NS"]


@pytest.mark.parametrize(("target", "names"), [("rejection", ["no", "yes"]), ("binary", ["0", "1"])])
def test_classes_by_the_variable_and_said(study: Path, target: str, names: list[str]) -> None:
    done = score(study, target=target, features="knows", page=True)
    assert value(done, "knows", score="auc") > 0.95
    found = lines(done, "predictions.csv")
    assert set(found[0]) == {*PREDICTION_COLUMNS, *(f"share_{name}" for name in names)}
    assert done.page
    assert f"Classification: {target}" in done.page.read_text()
    assert (done.folder / "scores.csv").read_text().count("most frequent class") == 4


def test_several_classes_and_the_site(study: Path) -> None:
    page = score(study, target="stage", features="knows", page=True).page
    assert page is not None
    assert "said b" in page.read_text()
    assert value(score(study, target="site", features="nothing"), "nothing", score="auc") < 0.9


@pytest.mark.parametrize(
    "asked",
    [
        {"target": "failure_days", "event": "failure"},
        {"target": "failure", "time": "failure_days"},
        {"target": None, "event": "failure", "time": "failure_days"},
    ],
)
def test_time_to_an_event(study: Path, asked: dict[str, Any]) -> None:
    done = score(study, features="knows", exam="D15", page=True, **asked)
    assert value(done, "knows", score="concordance") > 0.9
    found = next(line for line in lines(done, "predictions.csv") if line["features"] == "knows")
    assert float(found["truth"]) == pytest.approx(100 + 20 * GFR[int(found["patient"][1:])], abs=0.1)
    assert int(found["event"]) == (GFR[int(found["patient"][1:])] < 50)
    assert done.target == "failure by failure_days"


def test_a_horizon_makes_classes_of_a_time(study: Path) -> None:
    done = score(study, target="failure_days", event="failure", horizon=900, features="knows", exam="D15")
    assert value(done, "knows", score="auc") > 0.9
    truth = {line["patient"]: line["truth"] for line in lines(done, "predictions.csv")}
    days = 100 + 20 * GFR
    for number in range(20, 40):
        wanted = "event" if GFR[number] < 50 and days[number] <= 900 else "no event" if days[number] > 900 else None
        assert truth.get(f"P{number:02d}") == wanted
    text = (study / "cohort.csv").read_text()
    (study / "cohort.csv").write_text(text.replace("failure_days [days]", "failure_days [weeks]"))
    weeks = score(study, target="failure_days", event="failure", horizon=900 * 7, features="knows", exam="D15")
    assert {line["patient"]: line["truth"] for line in lines(weeks, "predictions.csv")} == truth


def test_a_horizon_and_readings(study: Path) -> None:
    rows = [f"P{number:02d},{day},{GFR[number] + day / 100:.2f}" for number in range(PATIENTS) for day in (700, 760)]
    (study / "clinical.csv").write_text("\n".join(["patient,days,hb [g/L]", *rows]) + "\n")
    done = score(study, target="hb", horizon=730, features="knows", exam="D15")
    assert done.target == "hb@730+-90"
    narrow = score(study, target="hb", horizon=700, window=10, features="knows", exam="D15")
    first, second = (float(lines(each, "predictions.csv")[0]["truth"]) for each in (done, narrow))
    assert (first, second) == (pytest.approx(GFR[20] + 7.3, abs=0.02), pytest.approx(GFR[20] + 7.0, abs=0.02))


def test_missing_values_are_left_out_and_told(study: Path) -> None:
    text = (study / "cohort.csv").read_text().splitlines()
    changed = [",".join([*row.split(",")[:5], "", *row.split(",")[6:]]) if row[:3] == "P30" else row for row in text]
    (study / "cohort.csv").write_text("\n".join(changed) + "\n")
    done = score(study, features="knows", page=True)
    assert "P30" not in {line["patient"] for line in lines(done, "predictions.csv")}
    assert lines(done)[0]["without_target"] == "2"
    assert done.page
    assert "2 exams without a value of the target left out" in done.page.read_text()


def test_were_splits_not_obeyed_learnt_by_heart_would_look_like_knowledge(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's broken twin: training patients are scored as if they had been held out."""
    honest = score(study, features="heart", name="honest")
    real = evaluate_scoring.fits_by_encoder
    monkeypatch.setattr(evaluate_scoring, "fits_by_encoder", lambda *given: real(*given, held_out=("train",)))
    broken = score(study, features="heart", name="broken")
    assert value(honest, "heart", "held-out patients") < 0.2 < 0.9 < value(broken, "heart", "held-out patients")


def test_one_bad_table_among_good_ones_is_told_in_the_table(study: Path) -> None:
    write_table(study, "few", np.column_stack([GFR, GFR]), splits=["train"] * 37 + ["test"] * 3)
    table = (study / "features" / "few.csv").read_text().splitlines()
    (study / "features" / "few.csv").write_text("\n".join(row for row in table if ",train," not in row) + "\n")
    done = score(study, features="knows,few")
    reasons = [line["reason"] for line in lines(done) if line["features"] == "few"]
    assert len(reasons) == 2
    assert all(reasons)
    assert {line["features"] for line in lines(done)} == {
        *("knows", "few", "mean (rows of knows)", "mean (rows of few)")
    }
    pairs = {(line["first"], line["second"]) for line in lines(done, "comparisons.csv")}
    assert pairs == {("knows", "mean (rows of knows)")}
    assert value(done, "knows") > 0.9
    with pytest.raises(BadInput, match="few cannot be scored"):
        score(study, features="few")


def test_the_command(study: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    given = [
        "--study",
        str(study),
        "--target",
        "gfr",
        "--features",
        "knows",
        "--bootstrap",
        "40",
        "--permutations",
        "0",
    ]
    out = CliRunner().invoke(app, [*given, "--baselines", "mean", "--no-page"])
    assert out.exit_code == 0, out.output
    assert "knows (linear), fitted on training patients: r2 0.9" in out.output
    assert "mean, fitted on held-out patients: r2 -" in out.output
    assert f"Tables: {study / 'evaluations' / 'gfr-knows'}" in out.output
