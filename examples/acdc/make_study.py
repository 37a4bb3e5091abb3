"""Turn the ACDC cine-MR set (acdc_192.npz, acdc_clinical.csv) into a study folder that medcl can read.

Usage: python examples/acdc/make_study.py --data FOLDER STUDY [--slices]

The stored set has no voxel spacing: all slices were resized to 192 x 192 and only their original pixel counts are
known. The affine written here is therefore assumed (1.5 mm original pixels, 10 mm between slices, axes along the
scanner's) and marked so in three places: the NIfTI description, the column `geometry` of cohort.csv and STUDY/NOTE.txt.
Nothing in millimetres may be quoted from it. The official-style split by patient (70 / 10 / 20) is kept. Masks go to
STUDY/masks, and what their numbers mean to the table [labels] of medcl.toml, so that `medcl segment` runs on it;
--slices makes settings for 2D methods, which see every slice as stored, instead of volumes.

Licence of the data: CC BY-NC-SA 4.0 (Bernard et al. 2018, IEEE TMI 37(11), 2514-2525); non-commercial use only.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

PIXEL_MM = 1.5  # assumed size of an original pixel
SLICE_MM = 10.0  # assumed distance of neighbouring slices
EXAMS = {1: "ED", 2: "ES"}
HEADERS = {
    "ejection_fraction": "ejection_fraction [%]",
    "rv_ejection_fraction": "rv_ejection_fraction [%]",
    "rv_to_lv": "rv_to_lv",
    "myocardium_to_lv": "myocardium_to_lv",
    "group_by_order": "disease_group",
}
NOTE = """Study made from the ACDC cine-MR set, CC BY-NC-SA 4.0, non-commercial use only.
The voxel spacing is ASSUMED (10 mm slices, 1.5 mm original pixels): do not quote millimetres or millilitres.
"""
SETTINGS = """# Settings of this study; a flag on the command line wins over a line here.

[labels]                     # what the numbers in the masks mean; papillary muscles count as cavity
1 = {name = "right ventricle", colour = "#0072B2"}
2 = {name = "myocardium", colour = "#E69F00"}
3 = {name = "left ventricle", colour = "#009E73"}

"""
VOLUMES = """[preprocess]
spacing = [10.0, 3.0, 3.0]   # z y x in mm, of the assumed affine
size = [12, 48, 48]          # z y x in voxels: the middle of the field of view, where the heart lies

[pretrain]
network = "resnet10"
pairs = "in-batch"
batch_size = 48
epochs = 20
"""
SLICES = """[preprocess]
slices = "acquired"          # every slice is an image
slice_size = [192, 192]      # y x: the stored pixels, as they are

[pretrain]
network = "resnet18"         # the paper has resnet50
batch_size = 32
"""


def main() -> None:
    """Write STUDY from the two files in --data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder to write; must not exist")
    parser.add_argument("--data", type=Path, required=True, help="folder with acdc_192.npz and acdc_clinical.csv")
    parser.add_argument("--slices", action="store_true", help="settings for 2D methods instead of volumes")
    words = parser.parse_args()
    missing = [name for name in ("acdc_192.npz", "acdc_clinical.csv") if not (words.data / name).is_file()]
    if missing:
        sys.exit(f"{words.data}: {' and '.join(missing)} not found; --data names the folder that holds them.")
    if words.study.exists():
        sys.exit(f"{words.study} exists already; name a new folder.")
    count = write_study(words.data, words.study, words.slices)
    print(f"{count} volumes written; next: cd {words.study} && medcl preprocess")


def write_study(data: Path, study: Path, slices: bool = False) -> int:
    """Write images, masks, cohort.csv, medcl.toml and the note; returns the number of volumes."""
    (study / "images").mkdir(parents=True)
    (study / "masks").mkdir()
    clinical = {(row["patient"], row["exam"]): row for row in read_rows(data / "acdc_clinical.csv")}
    stored = np.load(data / "acdc_192.npz")
    arrays = {name: stored[name] for name in ("images", "labels", "patient", "frame", "slice", "orig_shape")}
    rows = []
    for patient in np.unique(arrays["patient"]):
        for frame, exam in EXAMS.items():
            name = f"{patient:03d}_{exam}.nii.gz"
            write_volume(arrays, int(patient), frame, study / "images" / name, study / "masks" / name)
            rows.append(cohort_row(clinical[f"{patient:03d}", exam], name))
    with (study / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (study / "medcl.toml").write_text(SETTINGS + (SLICES if slices else VOLUMES), encoding="utf-8")
    (study / "NOTE.txt").write_text(NOTE, encoding="utf-8")
    return len(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cohort_row(clinical: dict[str, str], name: str) -> dict[str, str]:
    """One line of cohort.csv: paths, the kept split, and the clinical variables with their units in the header."""
    row = {"patient": clinical["patient"], "exam": clinical["exam"], "image": f"images/{name}", "mask": f"masks/{name}"}
    row |= {"modality": "mr", "split": clinical["split"], "geometry": "assumed"}
    return row | {header: clinical[column] for column, header in HEADERS.items()}


def write_volume(arrays: dict[str, np.ndarray], patient: int, frame: int, image: Path, mask: Path) -> None:
    """Stack the slices of one exam, lowest slice number first, and write image and mask with the assumed affine."""
    rows = np.flatnonzero((arrays["patient"] == patient) & (arrays["frame"] == frame))
    rows = rows[np.argsort(arrays["slice"][rows])]
    stored = arrays["images"].shape[1]
    height, width = (int(count) for count in arrays["orig_shape"][rows[0]])
    spacing = (PIXEL_MM * width / stored, PIXEL_MM * height / stored, SLICE_MM)  # x y z
    affine = np.diag([*spacing, 1.0])
    for source, path in ((arrays["images"], image), (arrays["labels"], mask)):
        volume = nib.Nifti1Image(np.ascontiguousarray(source[rows].transpose(2, 1, 0)), affine)
        volume.header["descrip"] = b"affine assumed, not measured"
        volume.header.set_xyzt_units("mm")
        nib.save(volume, path)


if __name__ == "__main__":
    main()
