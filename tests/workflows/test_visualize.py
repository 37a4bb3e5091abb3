"""`medcl visualize` in a small study: what is on the page, that every option changes it, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcl.cli.app import main
from medcl.evaluation.feature_table import FeatureWriter, write_card
from medcl.study.errors import BadInput
from medcl.workflows.visualize import Visualized, VisualizeOptions, visualize

PATIENTS, EXAMS, SEQUENCES = 12, ("D15", "M3"), ("water", "t2")
SPLITS = ["train"] * 7 + ["val"] * 2 + ["test"] * 3


def features_of(patient: int, exam: int, sequence: int) -> list[float]:
    return [float(patient), 3.0 * exam, 0.1 * sequence, float(patient * exam % 3), 1.0, (-1.0) ** patient]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    rows = ["patient,exam,sequence,image,eGFR [mL/min/1.73m2],sCreat [umol/L],site,rejection,all gone"]
    table, identities = [], []
    for patient in range(PATIENTS):
        for e, exam in enumerate(EXAMS):
            for s, sequence in enumerate(SEQUENCES):
                creatinine = "" if patient == 2 else "<60" if patient == 3 else f"{80 + 10 * patient + 5 * s}"
                rejection = ["yes", "no", ""][patient % 3]
                image = f"P{patient}-{exam}-{sequence}.nii.gz"
                rows.append(f"P{patient},{exam},{sequence},{image},{90 - 5 * patient},{creatinine},A,{rejection},")
                table.append(features_of(patient, e, s))
                identities.append((f"P{patient}", exam, sequence, SPLITS[patient]))
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n")
    write_features(tmp_path / "features" / "variable-gfr.csv", identities, np.array(table))
    return tmp_path


def write_features(path: Path, identities: list[tuple[str, ...]], features: np.ndarray, folds: int = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = FeatureWriter(file, features.shape[1], folds=folds > 0)
        for fold in range(1, max(folds, 1) + 1):
            writer.add([(*row, *([str(fold)] if folds else [])) for row in identities], features * (-2.0) ** (fold - 1))
    card = {"run": path.stem, "method": "variable", "variable": "gfr", "layer": "encoder", "folds": folds}
    write_card(path, card)


def draw(study: Path, **options: Any) -> Visualized:
    return visualize(VisualizeOptions(study=study, **({"method": ["pca"]} | options)))


def html_of(made: Visualized) -> str:
    """The page without the library."""
    return re.sub(r"<script>/\*.*?</script>", "", made.page.read_text(encoding="utf-8"), count=1, flags=re.S)


def data_of(made: Visualized) -> dict[str, Any]:
    found = re.search(r'id="medcl-data">(.*?)</script>', made.page.read_text(encoding="utf-8"), re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_literal_line(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(study)
    with pytest.raises(SystemExit) as stop:
        main(["visualize", "--color", "screat"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "48 points of 12 patients, coloured by screat, 4 without a value." in out
    assert str(study / "figures" / "variable-gfr-screat.html") in out
    page = (study / "figures" / "variable-gfr-screat.html").read_text(encoding="utf-8")
    assert 'id="map-pca"' in page
    assert 'id="map-umap"' in page


def test_features_meet_the_right_values(study: Path) -> None:
    data = data_of(draw(study, color="screat"))
    assert len(data["hover"]) == 48
    for trace in data["panels"][0]["traces"]:
        for place, row in enumerate(trace["meta"]["rows"]):
            patient, sequence = row // 4, row % 2
            assert data["hover"][row].startswith(f"<b>P{patient}</b> · {EXAMS[row // 2 % 2]} · {SEQUENCES[sequence]}")
            assert f"split-{SPLITS[patient]}" in trace["meta"]["keys"]
            if "missing" not in trace["meta"]["keys"] and patient != 3:
                assert trace["marker"]["color"][place] == 80 + 10 * patient + 5 * sequence


def test_limits_are_told(study: Path) -> None:
    made = draw(study, color="screat")
    assert "60 µmol/L (given as a limit)" in data_of(made)["hover"][12]
    assert "4 values of serum creatinine given as a limit" in html_of(made)


def test_order_of_rows_in_the_cohort_does_not_matter(study: Path) -> None:
    first = data_of(draw(study, color="screat"))
    head, *rows = (study / "cohort.csv").read_text().splitlines()
    (study / "cohort.csv").write_text("\n".join([head, *rows[::-1]]) + "\n")
    assert data_of(draw(study, color="screat", overwrite=True)) == first


def test_color_unless_told_is_that_of_the_run(study: Path) -> None:
    assert draw(study).color == "gfr"
    (study / "features" / "variable-gfr.json").unlink()
    with pytest.raises(BadInput, match=r"--color is missing.*gfr, screat"):
        draw(study, name="other")


def test_colours_that_are_no_clinical_variable(study: Path) -> None:
    assert [draw(study, color=color).color for color in ("exam", "site", "rejection")] == ["exam", "site", "rejection"]


def test_a_colour_made_of_readings(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [f"P{patient},{day},{90 + patient}" for patient in range(PATIENTS) for day in (350, 380)]
    (study / "clinical.csv").write_text("\n".join(["patient,days,hb [g/L]", *rows]) + "\n")
    with caplog.at_level("INFO", "medcl"):
        made = draw(study, color="hb@365+-30:median")
    assert (made.color, made.missing) == ("hb@365+-30:median", 0)
    assert made.page.name == "variable-gfr-hb-365+-30-median.html"
    data = data_of(made)
    assert "92 g/L" in data["hover"][8]
    assert "hb@365+-30:median: made of the readings in clinical.csv" in caplog.text
    assert "hb@365+-30:median: made of the readings in clinical.csv" in html_of(made)


def test_unknown_color_lists_the_nearest(study: Path) -> None:
    with pytest.raises(BadInput, match=r"no column 'gfrr'.*eGFR"):
        draw(study, color="gfrr")


def test_color_without_any_value(study: Path) -> None:
    with pytest.raises(BadInput, match="--color all_gone: no value of it in the 48 rows"):
        draw(study, color="all gone")


def test_each_option_changes_the_page(study: Path) -> None:
    pages = {
        name: draw(study, name=name, **({"color": "screat"} | options))
        .page.read_text(encoding="utf-8")
        .replace(name, "x")
        for name, options in {
            "plain": {},
            "color": {"color": "gfr"},
            "exam": {"exam": "d15"},
            "sequence": {"sequence": ["T2"]},
            "rows": {"rows": "exam"},
            "scale": {"scale": "cividis"},
            "no-ids": {"no_ids": True},
            "method": {"method": "tsne"},
        }.items()
    }
    assert len(set(pages.values())) == len(pages)
    assert "P0" in pages["plain"]
    assert not re.search(r"\bP\d+\b", re.search('id="medcl-data">(.*?)<', pages["no-ids"])[1])  # type: ignore[index]
    assert "24 images of 12 patients" in pages["exam"]
    seeds = [data_of(draw(study, method="umap", seed=seed, name=f"s{seed}"))["panels"] for seed in (0, 1)]
    assert seeds[0] != seeds[1]


def test_no_ids_refuses_to_name_patients_in_the_legend(study: Path) -> None:
    with pytest.raises(BadInput, match="--no-ids does not go with --color patient"):
        draw(study, color="pat_id", no_ids=True)


def test_exams_are_the_mean_of_their_sequences(study: Path) -> None:
    made = draw(study, color="screat", rows="exam")
    assert made.points == 24
    data = data_of(made)
    traces = data["panels"][0]["traces"]
    value_of = {
        row: trace["marker"]["color"][place]
        for trace in traces
        if "missing" not in trace["meta"]["keys"]
        for place, row in enumerate(trace["meta"]["rows"])
    }
    assert value_of[0] == 82.5
    assert data["hover"][0].startswith("<b>P0</b> · D15<br>")
    table = np.array([np.mean([features_of(p, e, s) for s in (0, 1)], axis=0) for p in range(12) for e in (0, 1)])
    far = np.linalg.norm(table[0] - table[5])
    place = {row: (t["x"][i], t["y"][i]) for t in traces for i, row in enumerate(t["meta"]["rows"])}
    assert np.linalg.norm(np.subtract(place[0], place[5])) <= far + 0.01


def test_folds_are_never_mixed(study: Path) -> None:
    identities = [(f"P{patient}", "D15", "water", SPLITS[patient]) for patient in range(12)]
    table = np.array([features_of(patient, 0, 0) for patient in range(12)])
    write_features(study / "features" / "folds.csv", identities, table, folds=3)
    first = draw(study, color="gfr", features="folds")
    assert first.points == 12
    assert "Fold 1 of 3" in html_of(first)
    second = draw(study, color="gfr", features="folds", fold=2, name="second")
    widths = [
        np.ptp([x for trace in data_of(made)["panels"][0]["traces"] for x in trace["x"]]) for made in (first, second)
    ]
    assert widths[1] == pytest.approx(2 * widths[0], rel=1e-3)
    with pytest.raises(BadInput, match=r"--fold 4: folds\.csv has the folds 1, 2, 3"):
        draw(study, color="gfr", features="folds", fold=4, name="x")


def test_newest_features_unless_told(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    identities = [(f"P{patient}", "D15", "water", "test") for patient in range(5)]
    write_features(study / "features" / "late.csv", identities, np.random.default_rng(0).normal(size=(5, 3)))
    with caplog.at_level("INFO", logger="medcl"):
        assert draw(study, color="gfr").points == 5
    assert "late.csv, the newest (others: variable-gfr; choose with --features)" in caplog.text
    assert draw(study, color="gfr", features="variable-gfr").points == 48
    path = str(study / "features" / "variable-gfr.csv")
    assert draw(study, color="gfr", features=path, name="by-path").points == 48


def test_features_of_the_encoder_come_before_newer_ones_of_the_projection(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identities = [(f"P{patient}", "D15", "water", "test") for patient in range(5)]
    late = study / "features" / "late.csv"
    write_features(late, identities, np.random.default_rng(0).normal(size=(5, 3)))
    write_card(late, {"layer": "projection", "variable": "gfr"})
    with caplog.at_level("INFO", logger="medcl"):
        assert draw(study, color="gfr").points == 48
    told = "variable-gfr.csv, the newest of the encoder's own features (others: late; choose with --features)"
    assert told in caplog.text
    for file in (study / "features").glob("variable-gfr.*"):
        file.unlink()
    assert draw(study, color="gfr").points == 5, "they are all there is"


def test_no_features_yet(study: Path) -> None:
    with pytest.raises(BadInput, match=r"--features nonsense: no such table .*variable-gfr"):
        draw(study, features="nonsense")
    for file in (study / "features").iterdir():
        file.unlink()
    with pytest.raises(BadInput, match="run `medcl embed` first"):
        draw(study)
    (study / "features" / "kidney").mkdir()
    with pytest.raises(BadInput, match="one file per exam"):
        draw(study, features="kidney")


def test_pages_are_not_overwritten_in_silence(study: Path) -> None:
    page = draw(study, color="gfr").page
    before = page.read_bytes()
    with pytest.raises(BadInput, match=r"exists\. Replace it with --overwrite, or give another name with --name"):
        draw(study, color="gfr", exam="M3")
    assert page.read_bytes() == before
    draw(study, color="gfr", exam="M3", overwrite=True)
    assert page.read_bytes() != before


def test_unknown_filters_are_told_together(study: Path) -> None:
    with pytest.raises(BadInput) as caught:
        draw(study, color="gfr", exam="M12", sequence="water,arterial")
    assert caught.value.problems == [
        "--exam M12: not in variable-gfr.csv, which has D15, M3.",
        "--sequence arterial: not in variable-gfr.csv, which has t2, water.",
    ]


def test_features_of_another_study(study: Path) -> None:
    identities = [(f"Q{patient}", "D15", "water", "test") for patient in range(5)]
    write_features(study / "features" / "other.csv", identities, np.eye(5))
    with pytest.raises(BadInput, match="None of the 5 rows"):
        draw(study, color="gfr", features="other")
    identities[0] = ("P0", "D15", "water", "test")
    identities[1] = ("P1", "D15", "water", "test")
    write_features(study / "features" / "other.csv", identities, np.eye(5))
    made = draw(study, color="gfr", features="other")
    assert made.missing == 3
    assert "3 of the 5 rows of features are not in cohort.csv" in html_of(made)


def test_wrong_options_are_told_together() -> None:
    with pytest.raises(BadInput) as caught:
        VisualizeOptions(method="pca,mds", fold=0, seed=-1)
    assert len(caught.value.problems) == 3
    assert "pca, umap, tsne" in str(caught.value)
    with pytest.raises(BadInput, match="--scale is 'jet'; known are viridis, cividis"):
        VisualizeOptions(scale="jet")
    with pytest.raises(BadInput, match="plain file name"):
        VisualizeOptions(name="../x")
    assert VisualizeOptions(method="pca,umap,pca").method == ["pca", "umap"], "each map is drawn once"


def test_footer_lets_others_make_the_same_page(study: Path) -> None:
    html = html_of(draw(study, color="screat", seed=7, exam="M3"))
    for words in (
        "variable-gfr (variable, trained on gfr)",
        "features/variable-gfr.csv, encoder, 6 features",
        "exam M3",
    ):
        assert words in html
    assert "<dt>Seed</dt><dd>7</dd>" in html
    assert "<dt>Colour</dt><dd>screat, scale viridis</dd>" in html
    assert str(study) not in html


def test_the_footer_names_the_colours_that_are_used(study: Path) -> None:
    html = html_of(draw(study, color="rejection"))
    assert "<dd>rejection, classes in the colours of Okabe and Ito</dd>" in html
    assert "viridis" not in html.split("<dt>Colour</dt>")[1]


def test_a_single_map_takes_the_width_of_the_page(study: Path) -> None:
    """Its height alone is limited: an aspect ratio beside a limited height would limit the width too."""
    html = html_of(draw(study, color="gfr"))
    (rule,) = re.findall(r"^\.panels figure:only-child \.plot \{ (.*?) \}", html, flags=re.MULTILINE)
    assert "aspect-ratio: auto" in rule
    assert html.count('class="plot"') == 1
