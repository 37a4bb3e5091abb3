"""`medcl segment evaluate` on small masks whose metrics are known."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medcl.evaluation import segmentation_summary
from medcl.figures.page import RESEARCH_USE
from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass, classes_to_json
from medcl.study.segmentations import Segmentation, write_segmentations
from medcl.workflows.segment_evaluate import SegmentEvaluated, SegmentEvaluateOptions, segment_evaluate

SHAPE = (12, 10, 6)  # x y z, as NIfTI has it
AFFINE = np.array([[0.0, -2, 0, 30], [1.5, 0, 0, -7], [0, 0, 4, 5], [0, 0, 0, 1]])  # axes exchanged and flipped
CLASSES = [LabelClass(1, "right ventricle", "#0072B2"), LabelClass(3, "left ventricle", "#009E73")]
SECRET = "Mustermann"


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals are tested elsewhere; here they are to be quick."""
    usual = segmentation_summary.summarise
    monkeypatch.setattr(segmentation_summary, "summarise", lambda *given, **told: usual(*given, **told, draws=100))


def mask(shift: int = 0, left: bool = True, right: bool = True) -> np.ndarray:
    """Two plates one voxel thick, shifted along the first axis, where voxels are 1.5 mm apart."""
    voxels = np.zeros(SHAPE, np.uint8)
    if right:
        voxels[2 + shift, 1:9, 1:5] = 1
    if left:
        voxels[6 + shift, 1:9, 1:5] = 3
    return voxels


def save(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(voxels, affine).to_filename(path)
    return path


def write_study(root: Path, splits: tuple[str, ...] = ("test", "test", "test", "val")) -> Path:
    """Case 0 is perfect, 1 shifted by two voxels, 2 misses the left ventricle, 3 is of a validation patient."""
    predicted = [mask(), mask(2), mask(left=False), mask(1)]
    rows, table = [], [["patient", "exam", "image", "mask"]]
    for number, (voxels, split) in enumerate(zip(predicted, splits, strict=True)):
        patient, exam = f"{SECRET}{number // 2}", ("ED", "ES")[number % 2]
        case = f"{patient}_{exam}"
        noise = np.random.default_rng(number).normal(100, 20, SHAPE).astype(np.float32)
        image = save(root / "images" / f"{case}.nii.gz", noise)
        truth = save(root / "masks" / f"{case}.nii.gz", mask())
        prediction = save(root / "segmentations/ideal" / f"{case}.nii.gz", voxels)
        table.append([patient, exam, str(image), str(truth)])
        rows.append(Segmentation(case, patient, exam, "", split, image, truth, prediction))
    with (root / "cohort.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)
    card = {"run": "segment-ideal", "classes": classes_to_json(CLASSES)}
    write_segmentations(root / "segmentations/ideal", rows, card)
    return root


def run(root: Path | None, **options: Any) -> SegmentEvaluated:
    return segment_evaluate(SegmentEvaluateOptions(**({"study": root, "workers": 1} | options)))


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_known_metrics_stand_in_the_table(tmp_path: Path) -> None:
    made = run(write_study(tmp_path))
    assert (made.cases, made.patients) == (3, 2)
    rows = metrics(made.folder)
    assert [(row["case"][-2:], row["class"], row["value"]) for row in rows[:3]] == [
        ("ED", "right ventricle", "1"), ("ED", "left ventricle", "3"), ("ES", "right ventricle", "1"),
    ]  # fmt: skip
    assert [row["dice"] for row in rows] == ["1", "1", "0", "0", "1", "0"]
    assert [row["hd_mm"] for row in rows[:4]] == [row["hd95_mm"] for row in rows[:4]] == ["0", "0", "3", "3"]
    assert [row["assd_voxels"] for row in rows[:4]] == ["0", "0", "2", "2"]
    assert [row["empty"] for row in rows] == ["", "", "", "", "", "prediction"]
    diagonal = float(np.sqrt((12 * 1.5) ** 2 + (10 * 2) ** 2 + (6 * 4) ** 2))
    assert float(rows[5]["hd_mm"]) == pytest.approx(diagonal, rel=1e-5)
    assert float(rows[0]["truth_ml"]) == pytest.approx(32 * 12 / 1000)
    assert rows[0]["split"] == "test"


def test_the_summary_has_means_intervals_and_counts(tmp_path: Path) -> None:
    made = run(write_study(tmp_path))
    found = json.loads((made.folder / "metrics.json").read_text(encoding="utf-8"))
    assert (found["cases"], found["patients"], found["split"], found["run"]) == (3, 2, "test", "segment-ideal")
    right, left, both = found["results"]
    assert right["metrics"]["dice"]["mean"] == pytest.approx(2 / 3)
    assert left["empty"] == {"truth": 0, "prediction": 1, "both": 0}
    assert both["metrics"]["dice"]["mean"] == pytest.approx(0.5)
    assert (both["metrics"]["dice"]["low"], both["metrics"]["dice"]["high"]) == (0.5, 0.5)  # of both patients
    assert found["interval"]["drawn"] == "patients"
    card = json.loads((made.folder / "segmentations.json").read_text(encoding="utf-8"))
    assert found["segmentations_written"] == card["written"]  # which masks these numbers are of
    assert [each["name"] for each in found["classes"]] == ["right ventricle", "left ventricle"]


def test_the_page_has_every_case_the_worst_first(tmp_path: Path) -> None:
    page = run(write_study(tmp_path)).page
    assert page is not None
    html = page.read_text(encoding="utf-8")
    assert re.findall(r"<h3>([^<]*)<span>", html) == [f"{SECRET}0 · ES", f"{SECRET}1 · ED", f"{SECRET}0 · ED"]
    assert html.count("<image ") == 9
    assert "1 not in the prediction" in html
    assert RESEARCH_USE in html


def test_no_ids_numbers_the_patients(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    assert SECRET in (run(root).page or Path()).read_text(encoding="utf-8")
    html = (run(root, no_ids=True, overwrite=True).page or Path()).read_text(encoding="utf-8")
    assert SECRET.casefold() not in html.casefold()
    assert str(tmp_path) not in html
    assert "Patient 1 · ES" in html


def test_splits_are_chosen_and_what_is_no_test_is_told(tmp_path: Path) -> None:
    root = write_study(tmp_path, ("test", "train", "val", "new"))
    assert run(root, name="a").cases == 1
    made = run(root, split="all", name="b")
    assert made.cases == 4
    assert [note.split()[3] for note in made.notes] == ["training", "validation"]
    assert "of training patients" in (made.page or Path()).read_text(encoding="utf-8")
    assert run(root, split="val", name="c").cases == 1
    with pytest.raises(BadInput, match=r"--split val: .* it has test 4"):
        run(write_study(tmp_path / "other", ("test",) * 4), split="val")


def test_classes_are_chosen_by_name_or_value(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    made = run(root, classes=["Left Ventricle"])
    assert {row["class"] for row in metrics(made.folder)} == {"left ventricle"}
    made = run(root, classes=["1"], overwrite=True)
    assert [row.name for row in made.summary] == ["right ventricle", "mean over classes"]
    with pytest.raises(BadInput, match=r"--classes atrium: no such class; there are 1 = right ventricle"):
        run(root, classes=["atrium"], overwrite=True)
    with pytest.raises(BadInput, match=r"declared already, in run segment-ideal"):
        run(root, classes=["1=atrium"], overwrite=True)


def test_results_are_not_replaced_in_silence(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    run(root)
    with pytest.raises(BadInput, match="--overwrite"):
        run(root)
    assert run(root, overwrite=True, page=False).page is None
    assert not (root / "segmentations/ideal/evaluation.html").exists()
    assert run(root, name="again").folder == root / "segmentations/again"


def test_faults_of_all_masks_are_told_together(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    folder = root / "segmentations/ideal"
    moved = AFFINE.copy()
    moved[0, 3] += 1
    save(folder / f"{SECRET}0_ED.nii.gz", mask(), moved)
    save(root / "masks" / f"{SECRET}0_ES.nii.gz", mask().astype(np.float32) / 2)
    (folder / f"{SECRET}1_ED.nii.gz").write_bytes(b"no mask")
    with pytest.raises(BadInput) as error:
        run(root)
    grid, fraction, damaged = error.value.problems
    assert f"{SECRET}0_ED: truth and prediction are on different grids. Truth " in grid
    assert "from (12.00, -7.00, 5.00)" in grid  # canonical: the first voxel is another
    assert "from (13.00, -7.00, 5.00)" in grid
    assert "are no whole numbers" in fraction
    assert "is no NIfTI file" in damaged
    assert not (folder / "metrics.csv").exists()


def test_masks_of_the_same_grid_stored_the_other_way_round_agree(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    turned = AFFINE @ np.diag([-1.0, 1, 1, 1])
    turned[:3, 3] = AFFINE[:3, 3] + AFFINE[:3, 0] * (SHAPE[0] - 1)
    save(root / "segmentations/ideal" / f"{SECRET}0_ED.nii.gz", mask()[::-1], turned)
    assert metrics(run(root).folder)[0]["dice"] == "1"


@pytest.mark.parametrize("where", ["masks", "segmentations/ideal"])
def test_unknown_values_are_refused_with_their_counts(tmp_path: Path, where: str) -> None:
    root = write_study(tmp_path)
    voxels = mask()
    voxels[0, 0, :5] = 7
    save(root / where / f"{SECRET}0_ED.nii.gz", voxels)
    with pytest.raises(
        BadInput, match=r"label values that are no class: 7 \(5 voxels\)\. Classes of run segment-ideal"
    ):
        run(root)


def test_missing_masks_and_missing_truths(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    (root / "masks" / f"{SECRET}0_ED.nii.gz").unlink()
    with pytest.raises(BadInput, match=r"1 mask missing: .*0_ED"):
        run(root)
    with pytest.raises(BadInput, match=r"--segmentations ideel: no such folder.*there are ideal"):
        run(root, segmentations="ideel")
    from medcl.study.segmentations import read_segmentations

    rows, card = read_segmentations(root / "segmentations/ideal")
    plain = [row if row.exam == "ES" else Segmentation(**(vars(row) | {"truth": None})) for row in rows]
    write_segmentations(root / "segmentations/ideal", plain, card)
    made = run(root)
    assert made.cases == 1
    assert "2 images without a truth left out." in made.notes


def test_an_image_that_cannot_be_shown_costs_no_metrics(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    (root / "images" / f"{SECRET}0_ED.nii.gz").unlink()
    save(root / "images" / f"{SECRET}0_ES.nii.gz", np.ones((4, 4, 4), np.float32) + np.eye(4, dtype=np.float32))
    made = run(root)
    html = (made.page or Path()).read_text(encoding="utf-8")
    assert made.cases == 3
    assert html.count("<image ") == 3
    assert "The image cannot be read" in html
    assert "The image is on another grid" in html


def test_a_folder_of_segmentations_needs_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_study(tmp_path / "study")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = run(None, segmentations=str(root / "segmentations/ideal"))
    assert made.folder == root / "segmentations/ideal"
    with pytest.raises(BadInput, match="no study folder"):
        run(None, segmentations="ideal")


def two_folders(root: Path) -> dict[str, Path]:
    for number, shift in enumerate((0, 1, 2)):
        save(root / "true" / f"c{number}.nii.gz", mask())
        save(root / "found" / f"c{number}.nii", mask(shift))
    return {"truth": root / "true", "prediction": root / "found"}


def test_two_folders_need_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = run(None, **two_folders(tmp_path))
    assert made.folder == tmp_path / "segmentations/evaluated-found"
    assert (made.cases, made.patients) == (3, 3)
    assert "3 cases of unknown patients" in made.notes[0]
    assert [row.name for row in made.summary] == ["label 1", "label 3", "mean over classes"]
    assert "No image was given." in (made.page or Path()).read_text(encoding="utf-8")
    save(tmp_path / "scans/c0.nii.gz", np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    made = run(None, **two_folders(tmp_path), images=tmp_path / "scans", name="scans", classes=["1=wall,3"])
    assert (made.page or Path()).read_text(encoding="utf-8").count("<image ") == 3
    assert [row.name for row in made.summary] == ["wall", "label 3", "mean over classes"]


def test_two_folders_in_a_study_know_its_patients(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    for file in sorted((root / "segmentations/ideal").glob("*.nii.gz")):
        save(root / "other" / file.name, mask(1))
    made = run(root, truth=root / "masks", prediction=root / "other")
    assert (made.cases, made.patients, made.notes) == (4, 2, [])
    assert metrics(made.folder)[0]["exam"] == "ED"


def test_a_folder_that_apply_wrote_tells_whom_the_network_knows(tmp_path: Path) -> None:
    root = write_study(tmp_path, ("train", "val", "test", "new"))
    folders = {"truth": root / "masks", "prediction": root / "segmentations/ideal"}
    made = run(root, **folders, name="a")
    assert [row["split"] for row in metrics(made.folder)[::2]] == ["train", "val", "test", "new"]
    assert [note.split()[3] for note in made.notes] == ["training", "validation"]
    assert json.loads((made.folder / "metrics.json").read_text(encoding="utf-8"))["run"] == "segment-ideal"
    # the broken twin: the same masks without their table
    (root / "segmentations/ideal/segmentations.json").unlink()
    assert run(root, **folders, name="b").notes == []


def test_images_instead_of_masks_are_refused_in_few_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_study(tmp_path)
    numbers = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)
    for file in (root / "images").iterdir():
        save(file, numbers)
    with pytest.raises(BadInput) as caught:
        run(root, truth=root / "masks", prediction=root / "images")
    assert "holds 720 different labels; its voxels are those of the image" in str(caught.value)
    assert len(str(caught.value)) < 1500
    for file in (root / "images").iterdir():
        save(root / "other" / file.name, numbers[::-1])
    with pytest.raises(BadInput, match="It holds 720 different labels: is it an image") as caught:
        run(root, truth=root / "masks", prediction=root / "other")
    assert "8 (1 voxel)" in str(caught.value)
    assert "and 709 more values" in str(caught.value)  # 0, 1 and 3 are known
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    monkeypatch.setattr("medcl.workflows.segment_evaluate_cases.study_or_none", lambda path: None)
    with pytest.raises(BadInput, match="The truths hold 719 different labels, which looks like images"):
        run(None, truth=root / "other", prediction=root / "other")


def test_of_one_patient_no_interval_is_spoken_of(tmp_path: Path) -> None:
    html = (run(write_study(tmp_path, ("val", "val", "val", "test"))).page or Path()).read_text(encoding="utf-8")
    assert "interval" not in html.casefold()
    assert "draws of patients" not in html
    several = (run(write_study(tmp_path / "more")).page or Path()).read_text(encoding="utf-8")
    assert "95% interval" in several


def test_stacks_that_are_not_axial_are_named_so(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    short = np.array([[0.0, 0, 8, 0], [0, 1.5, 0, 0], [-1.5, 0, 0, 0], [0, 0, 0, 1]])
    for folder in ("masks", "segmentations/ideal", "images"):
        for file in (root / folder).glob("*.nii.gz"):
            save(file, np.asarray(nibabel.load(file).dataobj), short)
    html = (run(root).page or Path()).read_text(encoding="utf-8")
    assert re.search(r"slice \d of 6", html)
    assert "sagittal 1 of" not in html
    assert not re.search(r"sagittal \d+ of", html)


def test_folders_that_do_not_match_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = two_folders(tmp_path)
    save(tmp_path / "found/extra.nii", mask())
    (tmp_path / "true/c1.nii.gz").unlink()
    with pytest.raises(BadInput, match=r"--prediction: 2 masks without one of the same name in --truth: c1, extra"):
        run(None, **folders)
    with pytest.raises(BadInput, match="no such folder"):
        run(None, truth=tmp_path / "nowhere", prediction=tmp_path / "found")
    values = mask()
    values[0, 0, 0] = 9
    save(tmp_path / "true/c1.nii.gz", mask())
    save(tmp_path / "found/extra.nii", values)
    save(tmp_path / "true/extra.nii", mask())
    with pytest.raises(BadInput, match=r"9 \(1 voxel\)\. Classes found in the truths: 1 = label 1"):
        run(None, **folders)
    assert run(None, **folders, classes=["9=stone", "1"]).cases == 4


def test_options_that_do_not_fit_together_are_refused() -> None:
    for wrong in (
        {"truth": Path("a")}, {"images": Path("a")}, {"name": "a/b"},
        {"truth": Path("a"), "prediction": Path("b"), "split": "test"},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            SegmentEvaluateOptions(**wrong)


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    root = write_study(tmp_path)
    for number in range(4):  # so that patients differ
        save(root / "segmentations/ideal" / f"{SECRET}{number // 2}_{('ED', 'ES')[number % 2]}.nii.gz", mask(number))
    one = run(root, name="one", split="all")
    two = run(root, name="two", split="all", workers=2)
    assert (one.folder / "metrics.csv").read_bytes() == (two.folder / "metrics.csv").read_bytes()
    assert one.summary == two.summary


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from medcl.cli.segment_evaluate import summary

    summary(run(write_study(tmp_path)))
    printed = capsys.readouterr().out
    assert "3 cases of 2 patients" in printed
    assert re.search(r"right\s.*0\.667 ± 0\.577.*0 / 0 / 0", printed)
    assert "1 / 0 / 0" in printed
    assert "evaluation.html" in printed


def test_the_whole_command(tmp_path: Path, medcl: Callable[..., tuple[int, str]]) -> None:
    root = write_study(tmp_path)
    code, text = medcl("segment", "evaluate", "--study", str(root), "--workers", "1", "--no-ids", "--classes", "1")
    assert code == 0, text
    assert "3 cases of 2 patients" in text
