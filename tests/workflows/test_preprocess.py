"""`medcl preprocess` on small studies: what it makes, keeps, refuses and says."""

from __future__ import annotations

import csv
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medcl.cli.app import main
from medcl.cli.preprocess import summary
from medcl.imaging.store import FINGERPRINT, JOURNAL, MANIFEST, RECIPE, VolumeStore
from medcl.imaging.store_writer import StoreWriter, is_intact
from medcl.imaging.stored_volume import StoredVolume
from medcl.study.errors import BadInput, RunFailed
from medcl.workflows import pool
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess

SIZE = (5, 6, 7)
SHAPE = (10, 9, 8)


def scan(path: Path, seed: int = 0, shape: tuple[int, ...] = SHAPE, spacing: float = 1.0) -> None:
    voxels = np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)
    nibabel.Nifti1Image(voxels, np.diag([spacing, 2.0, 3.0, 1.0])).to_filename(path)


def label_map(path: Path) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:7, 3:6, 2:5] = 1
    nibabel.Nifti1Image(labels, np.diag([1.0, 2.0, 3.0, 1.0])).to_filename(path)


def write_cohort(root: Path, rows: list[dict[str, str]]) -> None:
    with (root / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def rows(count: int) -> list[dict[str, str]]:
    return [
        {"patient": f"P{n // 2}", "exam": ("D15", "M3")[n % 2], "image": f"{n}.nii.gz", "mask": f"{n}-mask.nii.gz"}
        | {"centre_x": str(3 + n), "centre_y": "8", "centre_z": "12"}
        for n in range(count)
    ]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for number in range(4):
        scan(tmp_path / f"{number}.nii.gz", number)
        label_map(tmp_path / f"{number}-mask.nii.gz")
    write_cohort(tmp_path, rows(4))
    return tmp_path


def run(study: Path, **options: object) -> Preprocessed:
    return preprocess(PreprocessOptions(**{"study": study, "size": SIZE, "workers": 1} | options))


def volumes(study: Path, name: str = "default") -> dict[str, np.ndarray]:
    store = VolumeStore.open(study / "preprocessed" / name)
    return {entry.case: store.read(entry) for entry in store.entries}


def test_every_image_of_the_cohort_is_stored(study: Path) -> None:
    made = run(study)
    assert (made.images, made.prepared, made.kept, made.patients) == (4, 4, 0, 2)
    found = volumes(study)
    assert list(found) == ["P0_D15", "P0_M3", "P1_D15", "P1_M3"]
    assert all(each.shape == SIZE for each in found.values())
    store = VolumeStore.open(study / "preprocessed/default")
    assert [(entry.patient, entry.exam) for entry in store.entries][1] == ("P0", "M3")
    assert all(store.labels(entry) is not None for entry in store.entries)


@pytest.mark.parametrize(
    "changed",
    [
        {"size": (5, 6, 8)},
        {"spacing": (2.0, 2.0, 2.0)},
        {"roi": "mask"},
        {"roi": "mask", "margin": 0.0},
        {"roi": "mask", "margin": 3.0},
        {"roi": "centre"},
        {"roi": "centre", "margin": 3.0},
        {"hu_window": (50.0, 150.0)},
        {"intensity": "percentile"},
    ],
)
def test_every_option_changes_the_volumes(study: Path, changed: dict[str, object]) -> None:
    run(study)
    run(study, name="other", **changed)
    one, other = volumes(study), volumes(study, "other")
    assert all(one[c].shape != other[c].shape or not np.array_equal(one[c], other[c]) for c in one)


def test_exams_on_one_scale_are_kept_whole_or_made_anew(study: Path) -> None:
    together = [row | {"exam": "M3", "sequence": str(n % 2)} for n, row in enumerate(rows(4))]
    write_cohort(study, together)
    options = {"intensity_over": "exam", "workers": 2}
    assert run(study, **options).prepared == 4
    assert run(study, **options).kept == 4
    run(study, name="alone")
    one, other = volumes(study), volumes(study, "alone")
    assert any(not np.array_equal(one[case], other[case]) for case in one)
    scan(study / "1.nii.gz", seed=77)
    made = run(study, **options)
    assert (made.prepared, made.kept) == (2, 2), "the other image of the exam has another scale now"
    (study / "0.nii.gz").unlink()
    with pytest.raises(BadInput) as caught:
        run(study, **options)
    assert "no such file" in caught.value.problems[1]
    assert "(row 3)" in caught.value.problems[2]
    assert "cannot be prepared without P0_M3_0" in caught.value.problems[2]
    write_cohort(study, [{**row, "exam": ""} for row in together])
    with pytest.raises(BadInput, match=r"column 'exam' is empty in 4 rows \(2, 3, 4, 5\)"):
        run(study, **options)


def test_phases_are_cut_to_what_enhances(study: Path) -> None:
    shape = (24, 20, 18)
    for number in range(4):
        voxels = np.random.default_rng(number).normal(100, 5, shape).astype(np.float32)
        voxels[6:14, 5:12, 4:10] += 200 * (number % 2)
        nibabel.Nifti1Image(voxels, np.diag([1.0, 2.0, 3.0, 1.0])).to_filename(study / f"{number}.nii.gz")
    plain = [row | {"mask": "", "exam": "M3", "sequence": ("before", "after")[n % 2]} for n, row in enumerate(rows(4))]
    write_cohort(study, plain)
    assert run(study, roi="enhancement", margin=0, check=True).images == 4
    run(study, roi="enhancement", margin=0)
    entries = VolumeStore.open(study / "preprocessed/default").entries
    assert all(entry.region_shape <= (10, 11, 13) for entry in entries)
    assert {entry.affine for entry in entries[:2]} == {entries[0].affine}
    assert run(study, roi="enhancement", margin=0).kept == 4
    write_cohort(study, [*plain[:2], {**plain[2], "exam": "M12"}, plain[3]])
    with pytest.raises(BadInput, match=r"row 4(.|\n)*compares the phases of an exam"):
        run(study, roi="enhancement", margin=0)
    with pytest.raises(BadInput, match=r"row 4(.|\n)*compares the phases of an exam"):
        run(study, roi="enhancement", margin=0, check=True)
    write_cohort(study, [{**row, "exam": ""} for row in plain])
    with pytest.raises(BadInput, match="--roi enhancement needs to know which images belong together"):
        run(study, roi="enhancement", margin=0)


def test_margins_differ_from_each_other(study: Path) -> None:
    for name, margin in (("usual", None), ("tight", 0.0), ("wide", 3.0)):
        run(study, name=name, roi="mask", margin=margin)
    usual, tight, wide = (volumes(study, name)["P0_D15"] for name in ("usual", "tight", "wide"))
    assert not np.array_equal(usual, tight)
    assert not np.array_equal(tight, wide)


def test_several_processes_make_the_same(study: Path) -> None:
    run(study)
    made = run(study, name="two", workers=2)
    assert made.prepared == 4
    one, two = ((study / f"preprocessed/{name}" / MANIFEST).read_text() for name in ("default", "two"))
    assert one == two
    for case, voxels in volumes(study).items():
        np.testing.assert_array_equal(voxels, volumes(study, "two")[case])


def test_a_second_run_keeps_what_has_not_changed(study: Path) -> None:
    run(study)
    scan(study / "2.nii.gz", seed=77)
    before = volumes(study)
    made = run(study)
    assert (made.prepared, made.kept) == (1, 3)
    changed = [case for case, voxels in volumes(study).items() if not np.array_equal(voxels, before[case])]
    assert changed == ["P1_D15"]


def test_exams_come_and_go_with_the_cohort(study: Path) -> None:
    run(study)
    scan(study / "4.nii.gz", seed=4)
    label_map(study / "4-mask.nii.gz")
    changed = rows(5)[1:]
    changed[0]["patient"] = "P9"
    write_cohort(study, changed)
    made = run(study)
    assert (made.images, made.kept) == (4, 2), "a renamed patient is another case, and one is new"
    assert list(volumes(study)) == ["P9_M3", "P1_D15", "P1_M3", "P2_D15"]
    assert len(list((study / "preprocessed/default/volumes").iterdir())) == 4


def test_other_options_need_overwrite_or_a_name(study: Path) -> None:
    run(study)
    with pytest.raises(BadInput, match=r"size: 5 6 7 there, 8 8 8 now.*--overwrite.*--name"):
        run(study, size=(8, 8, 8))
    assert run(study, size=(8, 8, 8), overwrite=True).prepared == 4
    assert volumes(study)["P0_D15"].shape == (8, 8, 8)
    assert run(study, size=(8, 8, 8), overwrite=True).kept == 0, "overwriting keeps nothing"


def spoil(study: Path) -> None:
    """Three faults in four images: a truncated file, a missing one, NaN in the third."""
    (study / "0.nii.gz").write_bytes((study / "0.nii.gz").read_bytes()[:200])
    (study / "1.nii.gz").unlink()
    image = nibabel.load(study / "2.nii.gz")
    voxels = np.asarray(image.dataobj).copy()
    voxels[0, 0, :2] = np.nan
    nibabel.Nifti1Image(voxels, image.affine).to_filename(study / "2.nii.gz")


def files_below(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


@pytest.mark.parametrize("workers", [1, 2])
def test_check_tells_every_problem_and_writes_nothing(study: Path, workers: int) -> None:
    assert run(study, check=True, workers=workers).folder is None
    spoil(study)
    before = files_below(study)
    with pytest.raises(BadInput) as caught:
        run(study, check=True, workers=workers)
    heading, *lines = caught.value.problems
    assert heading.startswith("3 of 4 images of")
    assert "P0_D15 (row 2): " in lines[0]
    assert "0.nii.gz: is truncated" in lines[0]
    assert "P0_M3 (row 3): " in lines[1]
    assert "no such file" in lines[1]
    assert "P1_D15 (row 4): " in lines[2]
    assert "2 voxels are NaN" in lines[2]
    assert len(lines) == 3
    assert files_below(study) == before


def test_check_works_beside_a_store_of_other_options(study: Path) -> None:
    run(study)
    before = files_below(study)
    assert run(study, size=(9, 9, 9), check=True).images == 4
    assert files_below(study) == before


def test_bad_images_stop_the_run_but_the_others_are_kept(study: Path) -> None:
    good = {file: (study / file).read_bytes() for file in ("0.nii.gz", "1.nii.gz", "2.nii.gz")}
    spoil(study)
    with pytest.raises(BadInput, match=r"The other one is prepared and kept.*--skip-bad"):
        run(study)
    with pytest.raises(BadInput, match="still running or was stopped"):
        volumes(study)
    for file, content in good.items():
        (study / file).write_bytes(content)
    made = run(study)
    assert (made.prepared, made.kept) == (3, 1)
    assert len(volumes(study)) == 4


def test_a_bad_new_image_leaves_the_finished_store_readable(study: Path) -> None:
    run(study)
    write_cohort(study, rows(5))
    with pytest.raises(BadInput, match="1 of 5 images"):
        run(study)
    assert len(volumes(study)) == 4


def test_skip_bad_leaves_them_out_and_says_so(study: Path) -> None:
    spoil(study)
    made = run(study, skip_bad=True)
    assert (made.images, [case for case, _ in made.left_out]) == (1, ["P0_D15", "P0_M3", "P1_D15"])
    assert list(volumes(study)) == ["P1_M3"]
    told = json.loads((study / "preprocessed/default" / FINGERPRINT).read_text())["left_out"]
    assert [each["case"] for each in told] == ["P0_D15", "P0_M3", "P1_D15"]
    assert "truncated" in told[0]["problem"]


def test_skip_bad_does_not_make_an_empty_store(study: Path) -> None:
    spoil(study)
    (study / "3.nii.gz").unlink()
    with pytest.raises(BadInput, match="4 of 4 images"):
        run(study, skip_bad=True)
    assert not (study / "preprocessed/default").exists()


def test_a_store_without_an_image_does_not_block_other_options(study: Path) -> None:
    """Wrong masks for one: nothing could be prepared, and the corrected command has other options."""
    for number in range(4):
        (study / f"{number}-mask.nii.gz").write_bytes(b"")
    with pytest.raises(BadInput, match="4 of 4 images"):
        run(study, roi="mask")
    write_cohort(study, [row | {"mask": ""} for row in rows(4)])
    assert run(study).prepared == 4
    (study / "preprocessed/default/notes.txt").write_text("mine")
    for number in range(4):
        (study / f"{number}.nii.gz").unlink()
    with pytest.raises(BadInput, match="4 of 4 images"):
        run(study, size=(3, 3, 3), overwrite=True)
    assert [file.name for file in (study / "preprocessed/default").iterdir()] == ["notes.txt"], "others' files stay"


def test_a_store_of_a_newer_format_is_named_as_such(study: Path) -> None:
    run(study)
    recipe = study / "preprocessed/default" / RECIPE
    recipe.write_text(recipe.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(BadInput, match=r"recipe\.json: has format 7, this medcl reads 1: update medcl, or .*--name"):
        run(study)


def test_counts_of_one_are_singular(study: Path, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    write_cohort(study, rows(1))
    with caplog.at_level(logging.INFO, logger="medcl"):
        summary(run(study, name="one"))
    assert "1 of 1 image is larger than --size 5 6 7 and was cut" in caplog.text
    out = capsys.readouterr().out
    assert "1 image of 1 patient, 5 6 7 voxels (z y x): 1 prepared in" in out
    assert "Next: medcl pretrain --preprocessed one --variable NAME" in out


def test_regions_need_what_they_are_found_by(study: Path) -> None:
    write_cohort(study, [{"patient": "P0", "image": "0.nii.gz", "mask": ""}])
    with pytest.raises(BadInput, match="has no column mask with values"):
        run(study, roi="mask")
    with pytest.raises(BadInput) as caught:
        run(study, roi="centre", name="c")
    assert [each.split("'")[1] for each in caught.value.problems[:3]] == ["centre_x", "centre_y", "centre_z"]
    write_cohort(study, [row | {"centre_y": "" if row["image"] == "1.nii.gz" else "8"} for row in rows(4)])
    with pytest.raises(BadInput, match=r"P0_M3 .row 3.: .*has no centre") as caught:
        run(study, roi="centre", name="c")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 5, 5)}, "--size"),
        ({"spacing": (1, -1, 1)}, "--spacing"),
        ({"hu_window": (100, 100)}, "--hu-window.*the first number must be below the second"),
        ({"margin": 5}, "--margin is kept around a region"),
        ({"margin": 0, "roi": "centre"}, "leaves one voxel"),
        ({"margin": -1, "roi": "mask"}, "--margin"),
        ({"name": "../elsewhere"}, "--name.*plain folder name"),
        ({"name": ".hidden"}, "--name"),
        ({"workers": 0}, "--workers"),
        ({"roi": "kidney"}, "--roi"),
        ({"hu_window": (0, 1), "intensity": "percentile"}, "leave out --intensity and --intensity-over"),
        ({"hu_window": (0, 1), "intensity_over": "exam"}, "leave out --intensity and --intensity-over"),
        ({"hu_window": (0, 1), "n4": True}, "--n4 is for MR"),
        ({"check": True, "overwrite": True}, "--check writes nothing"),
        ({"check": True, "skip_bad": True}, "--check writes nothing"),
        ({"verify": True, "check": True}, "--verify reads a store"),
        ({"verify": True, "overwrite": True}, "--verify reads a store"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        PreprocessOptions(**options)


def test_the_user_is_told_of_twins_cut_regions_and_mixed_spacings(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (study / "1.nii.gz").write_bytes((study / "0.nii.gz").read_bytes())
    scan(study / "3.nii.gz", 3, spacing=1.5)
    write_cohort(study, [row | {"mask": ""} for row in rows(4)])
    with caplog.at_level(logging.INFO, logger="medcl"):
        run(study)
    assert "The same voxels stand under several names: P0_D15 = P0_M3." in caplog.text
    assert "4 of 4 images are larger than --size 5 6 7 and were cut (up to 8 9 10 voxels, z y x)." in caplog.text
    assert "x 1-1.5 mm): --spacing Z Y X makes them one" in caplog.text
    caplog.clear()
    write_cohort(study, [{**rows(4)[2], "mask": ""}])
    with caplog.at_level(logging.INFO, logger="medcl"):
        run(study, size=(9, 9, 11), name="quiet")
    assert caplog.text == ""


def test_a_full_disk_fails_with_one_sentence(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if str(target).endswith("P1_D15.npy"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(RunFailed, match="disk is full"):
            run(study)
    assert not list(study.rglob(".unfinished-*"))
    assert run(study).kept in (2, 3), "the one that failed is prepared again, and the next unless it was safe already"


def noted_too_early(study: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> list[str]:
    """Cases that stood in the journal before their files were there under their names."""
    early = []
    add = StoreWriter.add

    def look(writer: StoreWriter, entry: StoredVolume) -> None:
        if not is_intact(writer.path, entry):
            early.append(entry.case)
        add(writer, entry)

    monkeypatch.setattr(StoreWriter, "add", look)
    run(study, workers=workers, quality=False)
    return early


@pytest.mark.parametrize("workers", [1, 2])
def test_only_what_is_safe_is_noted(study: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    assert noted_too_early(study, monkeypatch, workers) == []


def test_the_check_sees_what_is_noted_too_early(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "behind", lambda finish, items, threads: items)
    assert noted_too_early(study, monkeypatch, 1) == ["P0_D15", "P0_M3", "P1_D15", "P1_M3"]


def medcl(study: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "medcl", "preprocess", "--study", str(study), "--size", "5", "6", "7", *words]


def test_the_command_prints_a_summary(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["preprocess", "--study", str(study), "--size", "5", "6", "7", "--workers", "1"]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert not stop.value.code
    out = capsys.readouterr().out
    assert "4 images of 2 patients, 5 6 7 voxels (z y x): 4 prepared in" in out
    assert out.splitlines()[-1] == "Next: medcl pretrain --variable NAME (`medcl list variables` shows the names)"
    assert str(study / "preprocessed/default") in out


def test_the_command_leaves_with_status_2_and_all_problems(study: Path) -> None:
    spoil(study)
    done = subprocess.run(medcl(study, "--check", "--workers", "2"), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "3 of 4 images" in done.stderr
    assert "3 errors, 0 warnings:" in done.stderr
    assert done.stderr.count("row ") == 3
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_killed_and_run_again_it_ends_like_an_unbroken_run(study: Path) -> None:
    """SIGKILL of the leading process: no worker is left behind, nothing is torn, and the next run continues."""
    many: list[dict[str, str]] = []
    for number in range(60):
        scan(study / f"big{number}.nii.gz", number, (40, 40, 40))
        many.append({"patient": f"Q{number}", "image": f"big{number}.nii.gz"})
    write_cohort(study, many)
    process = subprocess.Popen(medcl(study, "--workers", "2"), stderr=subprocess.DEVNULL, start_new_session=True)
    journal = study / "preprocessed/default" / JOURNAL
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed: use more images"
    for _ in range(100):
        if not _session_members(process.pid):
            break
        time.sleep(0.05)
    assert not _session_members(process.pid), "workers outlived their parent"
    made = run(study)
    assert made.kept > 0
    assert made.prepared > 0
    run(study, name="unbroken")
    one, two = ((study / f"preprocessed/{name}" / MANIFEST).read_text() for name in ("default", "unbroken"))
    assert one == two
    for case, voxels in volumes(study).items():
        np.testing.assert_array_equal(voxels, volumes(study, "unbroken")[case])


def _session_members(session: int) -> list[int]:
    members = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                members.append(int(folder.name))
    return members


def test_workers_import_nothing_heavy() -> None:
    code = (
        "import sys, medcl.imaging.worker, medcl.workflows.pool\n"
        "print([n for n in ('torch', 'monai', 'pandas', 'pydantic', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
