"""Source and target of a translation: filters, stores and studies, their split, and what cannot be used."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.splits import Splits
from medcl.workflows import translation_images
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.translation_images import DomainImages, read_domains
from tests.workflows.translate_quick import quick
from tests.workflows.two_modalities import MASKED, SLICES, SPLIT, copied, prepare, two_modalities

ONE_STORE = {"source_preprocessed": None, "target_preprocessed": None}
FILTERS = {"source": "modality=ct", "target": "modality=mr"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """With the stores ct and mr, and default with the images of both."""
    study = two_modalities(tmp_path_factory.mktemp("images") / "study")
    prepare(study, "default", intensity="percentile")
    return study


@pytest.fixture
def study(template: Study, tmp_path: Path) -> Study:
    """A copy to spoil."""
    return copied(template, tmp_path / "study")


@pytest.fixture(scope="module")
def of_mr(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Another study of MR alone, whose patients and images are called as the CT of the first one."""
    study = two_modalities(tmp_path_factory.mktemp("other") / "study")
    text = (study.root / "cohort.csv").read_text().splitlines()
    rows = [line.replace("M", "C", 1) for line in text if line.startswith(("M", "patient"))]
    (study.root / "cohort.csv").write_text("\n".join(rows) + "\n")
    shutil.rmtree(study.root / "preprocessed")
    prepare(study, "default", intensity="percentile")
    return study


def read(study: Study, *, masks: bool = True, seed: int = 0, **changed: Any) -> DomainImages:
    return read_domains(study, quick(study, **changed), seed, masks=masks)


def people(images: DomainImages, side: str, part: str | None = None) -> list[str]:
    samples = images.domains.samples
    chosen = images.domains.source if side == "source" else ~images.domains.source
    chosen = chosen if part is None else chosen & (samples.splits == part)
    return sorted(set(samples.patients[chosen].tolist()))


def change_cohort(study: Study, **columns: str | dict[str, str] | None) -> None:
    """Give columns of cohort.csv one value, or one for each patient; None takes a column out."""
    file = study.root / "cohort.csv"
    rows = list(csv.DictReader(file.open()))
    for name, value in columns.items():
        for row in rows:
            if value is None:
                del row[name]
            else:
                row[name] = value if isinstance(value, str) else value.get(row["patient"], row.get(name, ""))
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# --- where the images are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked", [{}, {**FILTERS, **ONE_STORE}, FILTERS, {**FILTERS, "source_preprocessed": None}], ids=str
)
def test_the_sides_are_those_asked_for(template: Study, asked: dict[str, Any]) -> None:
    images = read(template, **asked)
    assert people(images, "source") == ["C1", "C2", "C3", "C4"]
    assert people(images, "target") == ["M1", "M2", "M3", "M4"]
    assert len(images.domains.samples) == 8 * SLICES
    assert images.size == (1, 32, 32)
    assert [each.name for each in images.classes] == ["ring", "core"]
    assert "Source: 12 slices of 4 images of 4 patients." in images.notes
    assert "Target: 12 slices of 4 images of 4 patients." in images.notes


def test_several_conditions_choose_fewer(study: Study) -> None:
    change_cohort(study, site={name: "AB"[number % 2] for number, name in enumerate(SPLIT)})
    images = read(study, source="modality=CT, site=a", target="modality=mr", masks=False)
    assert people(images, "source") == ["C1", "C3"]
    assert people(images, "target") == ["M1", "M2", "M3", "M4"]


def test_a_clinical_table_tells_whose_images_are_the_source(study: Study, tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    table.write_text("patient,grade\n" + "".join(f"{name},{'low' if name < 'C3' else 'high'}\n" for name in SPLIT))
    with pytest.raises(BadInput, match="grade"):
        read(study, source="grade=low", masks=False)
    assert people(read(study, source="grade=low", masks=False, clinical=[table]), "source") == ["C1", "C2"]


def test_one_side_may_be_left_to_its_store(template: Study) -> None:
    images = read(template, target="modality=mr", target_preprocessed=None)
    assert people(images, "source") == ["C1", "C2", "C3", "C4"]
    assert images.target.path.name == "default"


def test_slices_are_read_from_their_own_stores(template: Study) -> None:
    """A CT's slice by its window, an MR's by its percentiles: each as its own store has it."""
    images = read(template)
    samples = images.domains.samples
    for row in (0, len(samples) - 1):
        side = images.source if images.domains.source[row] else images.target
        entry = next(each for each in side.entries if each.patient == samples.patients[row])
        voxels = np.empty((1, 32, 32), np.float32)
        samples.read(row, voxels)
        assert samples.slices is not None
        assert np.array_equal(voxels, side.read(entry, slice=int(samples.slices[row])))


def test_a_target_of_another_study_with_equal_names(template: Study, of_mr: Study) -> None:
    """C1 of both studies is one person: on one side of the split, with two images that are told apart."""
    images = read(template, target_study=of_mr.root, target_preprocessed=None)
    assert people(images, "source") == people(images, "target") == ["C1", "C2", "C3", "C4"]
    samples, source = images.domains.samples, images.domains.source
    cases = set(samples.cases[source].tolist()), set(samples.cases[~source].tolist())
    assert len(cases[0] | cases[1]) == 8
    for person in ("C1", "C2", "C3", "C4"):
        assert set(samples.splits[samples.patients == person].tolist()) == {SPLIT[person]}
    assert images.target.path == of_mr.preprocessed("default")
    mean = {side: float(samples_mean(images, chosen)) for side, chosen in (("source", source), ("target", ~source))}
    stored = [images.target.read(entry).mean() for entry in images.target.entries]
    assert mean["target"] == pytest.approx(np.mean(stored), rel=1e-4)
    assert mean["source"] != pytest.approx(mean["target"], rel=1e-2)


def samples_mean(images: DomainImages, chosen: np.ndarray) -> float:
    voxels, found = np.empty((1, 32, 32), np.float32), []
    for row in np.flatnonzero(chosen).tolist():
        images.domains.samples.read(row, voxels)
        found.append(voxels.mean())
    return float(np.mean(found))


def test_a_filter_of_the_target_is_one_of_its_own_study(study: Study, of_mr: Study, tmp_path: Path) -> None:
    other = copied(of_mr, tmp_path / "other")
    change_cohort(other, site={"C1": "A", "C2": "A", "C3": "B", "C4": "B"})
    images = read(study, target_study=other.root, target_preprocessed=None, target="site=A")
    assert people(images, "target") == ["C1", "C2"]


def test_the_card_tells_how_each_side_was_made(template: Study) -> None:
    images = read(template, **FILTERS)
    options = quick(template, **FILTERS)
    for side, store, modality in (("source", images.source, "ct"), ("target", images.target, "mr")):
        card = images.card(side, options)
        assert card["filter"] == f"modality={modality}"
        assert card["preprocessed"] == modality
        assert card["modalities"] == [modality]
        assert card["recipe"] == store.recipe.to_json()
        assert card["recipe_key"] == store.recipe.key()
        assert card["spacing"] == [1.0, 1.0, 1.0]
    assert images.card("source", options)["recipe_key"] != images.card("target", options)["recipe_key"]


# --- the split -----------------------------------------------------------------------------------------------------


def many_patients(study: Study) -> None:
    """Twenty patients with CT and ten with MR, few of them preprocessed, and no split column."""
    image = nibabel.load(study.root / "images" / "C1.nii.gz")
    rows = ["patient,image,modality"]
    for letter, count, modality in (("C", 20, "ct"), ("M", 10, "mr")):
        for number in range(1, count + 1):
            file = study.root / "images" / f"{letter}{number}.nii.gz"
            if not file.exists():
                nibabel.Nifti1Image(np.asarray(image.dataobj) + number, image.affine).to_filename(file)
            rows.append(f"{letter}{number},images/{file.name},{modality}")
    (study.root / "cohort.csv").write_text("\n".join(rows) + "\n")


def parts_of(images: DomainImages, letter: str) -> list[int]:
    sides = [side for patient, side in images.splits.of(1).items() if patient.startswith(letter)]
    return [sides.count(part) for part in ("train", "val", "test")]


def test_each_side_has_its_share_of_every_part(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    many_patients(study)
    for seed in range(6):
        images = read(study, masks=False, seed=seed, **FILTERS)
        assert (parts_of(images, "C"), parts_of(images, "M")) == ([14, 2, 4], [7, 1, 2])
    monkeypatch.setattr(translation_images, "_side_variable", lambda *_: None)  # the twin: a draw from all at once
    drawn = {tuple(parts_of(read(study, masks=False, seed=seed, **FILTERS), "M")) for seed in range(6)}
    assert drawn != {(7, 1, 2)}


def test_two_studies_share_one_balanced_split(study: Study, of_mr: Study, tmp_path: Path) -> None:
    many_patients(study)
    other = copied(of_mr, tmp_path / "other")
    names = {f"C{number}": f"X{number}" for number in range(1, 5)}
    change_cohort(other, split=None, patient=names)
    shutil.rmtree(other.root / "preprocessed")
    prepare(other, "default", intensity="percentile")
    images = read(study, masks=False, target_study=other.root, target_preprocessed=None, source="modality=ct")
    sides = images.splits.of(1)
    assert {patient for patient in sides if patient.startswith("X")} == set(names.values())
    assert set(people(images, "target")) == set(names.values())
    assert {sides[patient] for patient in names.values()} == {"train", "test"} | {sides["X1"], sides["X2"]}


def test_the_seed_draws_the_split(study: Study) -> None:
    many_patients(study)
    found = [read(study, masks=False, seed=seed, **FILTERS).splits.of(1) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_a_split_column_and_a_file_say_otherwise(study: Study, tmp_path: Path) -> None:
    assert read(study).splits.of(1) == SPLIT
    swapped = {**SPLIT, "C1": "val", "C3": "train", "M2": "test", "M4": "train"}
    file = tmp_path / "splits.csv"
    Splits.of_parts({1: swapped}).write(file)
    images = read(study, splits=file)
    assert images.splits.of(1) == swapped
    assert people(images, "source", "val") == ["C1"]
    assert people(images, "target", "test") == ["M2"]


def test_a_site_is_left_out_and_a_variable_balances(study: Study) -> None:
    many_patients(study)
    change_cohort(study, site={"C1": "B", "M1": "B", **{f"C{n}": "A" for n in range(2, 21)}})
    sides = read(study, masks=False, leave_site="B", **FILTERS).splits.of(1)
    assert {patient for patient, side in sides.items() if side == "test"} == {"C1", "M1"}
    change_cohort(study, dose={f"C{n}": "hl"[n % 2] for n in range(1, 21)} | {f"M{n}": "h" for n in range(1, 11)})
    plain, balanced = (read(study, masks=False, stratify=name, **FILTERS).splits.of(1) for name in (None, "dose"))
    assert plain != balanced
    low = [side for patient, side in balanced.items() if patient in {f"C{n}" for n in range(1, 21, 2)}]
    assert [low.count(part) for part in ("train", "val", "test")] == [7, 1, 2]


def test_a_file_without_the_targets_patients_is_refused(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "splits.csv"
    Splits.of_parts({1: {name: side for name, side in SPLIT.items() if name.startswith("C")}}).write(file)
    with pytest.raises(BadInput, match="patients without a split: 'M1', 'M2', 'M3', 'M4'"):
        read(study, splits=file)


def test_a_patient_of_both_sides_is_on_one_side_of_the_split(study: Study) -> None:
    change_cohort(
        study, split=None, sequence={name: name[0] for name in SPLIT}, patient={f"M{n}": f"C{n}" for n in (1, 2, 3, 4)}
    )
    shutil.rmtree(study.root / "preprocessed")
    prepare(study, "default", intensity="percentile")
    for seed in range(5):
        images = read(study, masks=False, seed=seed, **FILTERS, **ONE_STORE)
        samples = images.domains.samples
        for person in ("C1", "C2", "C3", "C4"):
            assert len(set(samples.splits[samples.patients == person].tolist())) == 1


def test_a_copied_image_on_two_sides_of_the_split_is_refused(study: Study) -> None:
    shutil.copy(study.root / "images" / "C4.nii.gz", study.root / "images" / "C1.nii.gz")
    prepare(study, "ct", only=["modality=ct"], hu_window=(-200.0, 300.0), overwrite=True)
    with pytest.raises(BadInput, match=r"same image content stands on two sides of the split.*C"):
        read(study)


# --- what the user is told ------------------------------------------------------------------------------------------


def test_other_pixels_and_other_planes_are_told(study: Study) -> None:
    assert not [note for note in read(study).notes if "Pixels" in note or "planes" in note]
    prepare(study, "fine", only=["modality=mr"], intensity="percentile", slice_spacing=(0.5, 0.5))
    notes = read(study, target_preprocessed="fine").notes
    assert any(
        note.startswith("Pixels of the source are 1.00 x 1.00 mm and of the target 0.50 x 0.50") for note in notes
    )
    prepare(study, "side", only=["modality=mr"], intensity="percentile", slices="acquired")
    notes = read(study, target_preprocessed="side").notes
    assert any("source are axial and of the target acquired" in note for note in notes)


def test_what_goes_in_is_hashed(study: Study) -> None:
    before = read(study).inputs
    assert read(study).inputs == before
    assert set(before) == set(translation_images.INPUTS)
    (study.root / "medcl.toml").write_text('[labels]\n1 = "rim"\n2 = "core"\n')
    assert {name for name, value in read(study).inputs.items() if value != before[name]} == {"labels"}
    after = read(study, target="split=train").inputs
    assert after["target_volumes"] != before["target_volumes"]
    assert after["source_volumes"] == before["source_volumes"]


# --- what cannot be used -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (ONE_STORE, "Which images are translated and what they shall look like is not told: give filters"),
        ({"source": "modality=us"}, r"--source modality=us: no image .* has this value .*there are: ct, mr"),
        ({"target": "modalty=mr"}, r"--target modalty=mr: .*modality"),
        ({"source": "modality=mr"}, r"None of the 4 images of --source modality=mr is in .*ct: name the store"),
        ({"target": "modality=ct"}, r"None of the 4 images of --target modality=ct is in .*mr: name the store"),
        ({**ONE_STORE, **FILTERS, "target": None}, r"4 images are in the source and in the target: C1"),
        ({"target_preprocessed": "ct"}, "is not told: give filters"),
        ({"target_preprocessed": "ct", "source": "modality=ct"}, "4 images are in the source and in the target"),
        ({"target_preprocessed": "default"}, r"4 images are in the source and in the target: C1"),
        ({"source": "modality=ct,split=test"}, "no image of the source belongs to a training patient"),
        ({"source_preprocessed": "gone"}, "gone"),
        ({"target_study": Path("/nowhere")}, "/nowhere"),
    ],
    ids=str,
)
def test_sides_that_cannot_be(template: Study, asked: dict[str, Any], told: str) -> None:
    from medcl.workflows.translation_training import build
    from medcl.workflows.translation_training import prepare as ready

    options = quick(template, **asked)
    with pytest.raises(BadInput, match=told):
        build(ready(template, options), options)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_filter_of_another_form_is_refused_before_anything_is_read(template: Study, side: str) -> None:
    with pytest.raises(BadInput, match=f"--{side}: got 'ct', but COLUMN=VALUE is expected"):
        quick(template, **{side: "ct"})


def test_volumes_are_refused(study: Study) -> None:
    preprocess(PreprocessOptions(study=study.root, name="whole", size=(4, 32, 32), workers=1, quality=False))
    for side in ("source", "target"):
        with pytest.raises(BadInput, match=rf"--{side}-preprocessed whole: holds volumes.*--slices axial"):
            read(study, **{f"{side}_preprocessed": "whole"})


def test_slices_of_two_sizes_are_refused(study: Study) -> None:
    prepare(study, "small", only=["modality=mr"], slice_size=(24, 32))
    told = r"source have 32 x 32 pixels \(y x\) and those of the target 24 x 32.*--slice-size"
    with pytest.raises(BadInput, match=told):
        read(study, target_preprocessed="small")


@pytest.mark.parametrize("given", [{"segment": True}, {"organ_negatives": True}], ids=str)
def test_masks_are_missed_where_they_are_needed(tmp_path: Path, given: dict[str, bool]) -> None:
    from medcl.workflows.translation_training import prepare as ready

    study = two_modalities(tmp_path / "study", masked=("C3", "C4", "M1", "M2"))
    told = "The source's masks are needed: none of the 2 training patients has a mask: name their label maps"
    with pytest.raises(BadInput, match=told):
        ready(study, quick(study, **given))
    assert ready(study, quick(study)).images.classes == []


def test_a_mask_with_unknown_values_is_refused(study: Study) -> None:
    """Of the source's training and validation patients, and of the target's; those of test patients stay unread."""
    for name, part in (("C1", "train"), ("C3", "val"), ("M1", "train")):
        with changed_labels(study, name):
            assert SPLIT[name] == part
            with pytest.raises(BadInput, match=rf"mask of .*{name}.*9 \(4 voxels\)"):
                read(study)
            read(study, masks=False)
    for name in ("C4", "M4"):
        with changed_labels(study, name):
            read(study)


class changed_labels:
    """Inside, the first slice of an image's labels has four voxels of the value 9."""

    def __init__(self, study: Study, patient: str) -> None:
        assert patient in MASKED
        store = study.preprocessed("ct" if patient.startswith("C") else "mr")
        self.file = next((store / "labels").glob(f"*{patient}*.npy"))

    def __enter__(self) -> None:
        self.before = self.file.read_bytes()
        labels = np.load(self.file)
        labels[0, 0, :4] = 9
        np.save(self.file, labels)

    def __exit__(self, *_: object) -> None:
        self.file.write_bytes(self.before)


def test_undeclared_classes_are_those_of_the_source(study: Study) -> None:
    (study.root / "medcl.toml").write_text("")
    images = read(study)
    assert [(each.value, each.name) for each in images.classes] == [(1, "label 1"), (2, "label 2")]
    assert "Label values found: 1, 2. Name them in the table [labels] of medcl.toml." in images.notes
    with changed_labels(study, "M1"), pytest.raises(BadInput, match=r"M1.* 9"):
        read(study)
    with changed_labels(study, "C1"):
        assert [each.value for each in read(study).classes] == [1, 2, 9]


@pytest.fixture
def broken(tmp_path: Path) -> tuple[Path, Study]:
    root = tmp_path / "study"
    (root / "images").mkdir(parents=True)
    (root / "cohort.csv").write_text("patient,image,modality\nA,images/A.nii.gz,ct\n")
    return root / "images" / "A.nii.gz", Study(root)


def test_colours_and_times_are_refused_by_preprocess(broken: tuple[Path, Study]) -> None:
    file, study = broken
    colours = np.zeros((32, 32, 3), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nibabel.Nifti1Image(colours, np.eye(4)).to_filename(file)
    with pytest.raises(BadInput, match=r"A\.nii\.gz: voxels are RGB colours, expected one plain number each"):
        prepare(study, "a")
    nibabel.Nifti1Image(np.zeros((32, 32, 3, 5), np.float32), np.eye(4)).to_filename(file)
    with pytest.raises(BadInput, match=r"A\.nii\.gz: is 4D with 5 volumes .*expected one 3D volume"):
        prepare(study, "a")
