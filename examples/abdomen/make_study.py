"""Turn abdominal CT and T2 MR slices (ct_btcv_192.npz, mr_chaos_t2_192.npz) into one study folder for translation.

Usage: python examples/abdomen/make_study.py --data FOLDER STUDY

CT: 30 cases of Landman et al. (MICCAI 2015 multi-atlas challenge), windowed to 8 bits slice by slice, so that
no Hounsfield units are left; only slices with one of the four organs and two beside. MR: 20 cases of CHAOS, T2 SPIR
(Kavur et al., Medical Image Analysis 2021), all slices. Both were resized to 192 x 192; the affine follows from the
spacings that are stored with them, and the axes from where liver and spine lie. Masks: liver, right kidney, left
kidney, spleen.

The split: the published test cases of the MR (1, 13, 32, 38) are test patients. Of the CT, of which the paper trains on
24, 27 train and 3 are validation patients; of the other MR cases 14 train and 2 are validation patients. Masks of MR
images are there for evaluation; no method of translation looks at those of training patients.

Research use only, and the MR set for non-commercial use only.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

FILES = {"ct": "ct_btcv_192.npz", "mr": "mr_chaos_t2_192.npz"}
TEST = {"ct": (), "mr": (1, 13, 32, 38)}
VALIDATION = {"ct": (27, 28, 29), "mr": (8, 33)}
SETTINGS = """# Settings of this study; a flag on the command line wins over a line here.

[labels]                     # what the numbers in the masks mean
1 = {name = "liver", colour = "#0072B2"}
2 = {name = "right kidney", colour = "#D55E00"}
3 = {name = "left kidney", colour = "#009E73"}
4 = {name = "spleen", colour = "#CC79A7"}
"""


def main() -> None:
    """Write STUDY from the two files in --data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder to write; must not exist")
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {' and '.join(FILES.values())}")
    words = parser.parse_args()
    missing = [name for name in FILES.values() if not (words.data / name).is_file()]
    if missing:
        sys.exit(f"{words.data}: {' and '.join(missing)} not found; --data names the folder that holds them.")
    if words.study.exists():
        sys.exit(f"{words.study} exists already; name a new folder.")
    count = write_study(words.data, words.study)
    print(f"{count} volumes written; next: medcl preprocess --study {words.study} --name ct --only modality=ct")


def write_study(data: Path, study: Path) -> int:
    """Write images, masks, cohort.csv and medcl.toml; returns the number of volumes."""
    (study / "images").mkdir(parents=True)
    (study / "masks").mkdir()
    rows = [row for modality in FILES for row in write_modality(data, study, modality)]
    with (study / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (study / "medcl.toml").write_text(SETTINGS, encoding="utf-8")
    return len(rows)


def write_modality(data: Path, study: Path, modality: str) -> list[dict[str, str]]:
    """Write the volumes of one modality, and return its lines of cohort.csv."""
    stored = np.load(data / FILES[modality])
    arrays = {name: stored[name] for name in ("images", "labels", "case", "slice", "spacing_mm")}
    numbers = stored["cases"] if "cases" in stored else np.arange(len(arrays["spacing_mm"]))
    rows = []
    for place, number in enumerate(numbers.tolist()):
        of_case = np.flatnonzero(arrays["case"] == number)
        of_case = of_case[np.argsort(arrays["slice"][of_case])]
        name = f"{modality}-{number:02d}.nii.gz"
        for kind, values in (("images", arrays["images"]), ("masks", arrays["labels"])):
            write_volume(values[of_case], arrays["spacing_mm"][place], study / kind / name)
        part = "test" if number in TEST[modality] else "val" if number in VALIDATION[modality] else "train"
        rows.append(
            {
                "patient": f"{modality}-{number:02d}",
                "image": f"images/{name}",
                "mask": f"masks/{name}",
                "modality": modality,
                "split": part,
            }
        )
    return rows


def write_volume(slices: np.ndarray, spacing: np.ndarray, path: Path) -> None:
    """Write slices (Z, right to left, back to front), lowest first, with the affine that this order means."""
    across, along, up = (float(step) for step in spacing)
    volume = nib.Nifti1Image(np.ascontiguousarray(slices.transpose(1, 2, 0)), np.diag([-across, along, up, 1.0]))
    volume.header.set_xyzt_units("mm")
    nib.save(volume, path)


if __name__ == "__main__":
    main()
