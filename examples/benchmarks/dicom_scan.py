"""How fast does `medcl preprocess --from` read a hospital's DICOM files? Headers per second, and volumes per second.

The script makes its own files: small slices for the header scan (a scan reads headers alone, so that the size of
pictures does not count), and whole series, plain and packed with RLE and JPEG 2000, for the conversion to NIfTI.

Usage: python examples/benchmarks/dicom_scan.py --out FOLDER [--files 10000] [--volumes 12] [--workers 2] [--quick]

Writes FOLDER/dicom_scan.json and prints the table. FOLDER keeps the files, so that a second call makes none.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage, RLELossless, generate_uid
from scipy.ndimage import gaussian_filter

from medcl.workflows.ingest import IngestOptions, ingest
from medcl.workflows.ingest_scan import scan
from medcl.workflows.pool import usable_cores

SLICES_PER_SERIES = 50
SHAPE = (60, 256, 256)
PACKINGS = {"plain": None, "RLE": RLELossless, "JPEG 2000": JPEG2000Lossless}


def main() -> None:
    """Make the files, measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the files and the results")
    parser.add_argument("--files", type=int, default=10_000, help="small files for the header scan")
    parser.add_argument("--volumes", type=int, default=12, help="series of every packing for the conversion")
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--quick", action="store_true", help="500 files and 2 volumes")
    words = parser.parse_args()
    if words.quick:
        words.files, words.volumes = 500, 2
    rows = [measure_scan(words, workers) for workers in sorted({1, words.workers})]
    rows += [measure_conversion(words, name, packing) for name, packing in PACKINGS.items()]
    report = {
        "date": str(date.today()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "shape": SHAPE,
        "largest_worker_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "parent_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": rows,
    }
    (words.out / "dicom_scan.json").write_text(json.dumps(report, indent=2))
    print_table(report)


def measure_scan(words: argparse.Namespace, workers: int) -> dict[str, Any]:
    """Seconds of walking, reading headers and ordering series, the start of the processes included."""
    root = words.out / f"scan-{words.files}"
    if not root.exists():
        small = np.random.default_rng(0).integers(0, 4000, (SLICES_PER_SERIES, 16, 16)).astype(np.uint16)
        for number in range(words.files // SLICES_PER_SERIES):
            write_series(root / f"P{number // 10:03d}" / f"SE{number}", small, number, None)
    start = time.perf_counter()
    found = scan(root, workers)
    seconds = time.perf_counter() - start
    assert len(found.images) == words.files // SLICES_PER_SERIES
    return {"what": f"header scan of {found.files} files", "workers": workers, "n": found.files, "seconds": seconds}


def measure_conversion(words: argparse.Namespace, name: str, packing: UID | None) -> dict[str, Any]:
    """Seconds of a whole `--from` on large series: nearly all of it is unpacking pixels and writing NIfTI."""
    root = words.out / f"volumes-{name.replace(' ', '')}-{words.volumes}"
    if not root.exists():
        rng = np.random.default_rng(0)
        pattern = gaussian_filter(rng.normal(size=SHAPE), 2) * 3000 + 500
        for number in range(words.volumes):
            voxels = np.clip(pattern + rng.normal(0, 10, SHAPE), 0, 4095).astype(np.uint16)
            write_series(root / f"P{number:03d}", voxels, number, packing)
    study = words.out / "study"
    shutil.rmtree(study, ignore_errors=True)
    start = time.perf_counter()
    made = ingest(IngestOptions(from_=root, study=study), workers=words.workers)
    seconds = time.perf_counter() - start
    assert made.images == words.volumes
    what = f"conversion of {words.volumes} volumes, {name}"
    return {"what": what, "workers": words.workers, "n": made.images, "seconds": seconds}


def write_series(folder: Path, voxels: np.ndarray, number: int, packing: UID | None) -> None:
    """One classic series, a file for each slice."""
    folder.mkdir(parents=True)
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    for index, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.Modality, dataset.PatientID, dataset.StudyDate = "MR", f"P{number // 10:03d}", "20200105"
        dataset.PatientName, dataset.InstitutionName, dataset.Manufacturer = "Nobody^N", "Hospital", "Maker"
        dataset.ImageType, dataset.SeriesDescription = ["ORIGINAL", "PRIMARY", "M"], f"T1 series {number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.SeriesNumber, dataset.InstanceNumber = number, index + 1
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 3 * index], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness, dataset.EchoTime = [1, 1], 3, 2.3
        dataset.AcquisitionTime, dataset.ContentTime = "101010", "101011"
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *plane.shape, 1
        dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelData = plane.tobytes()
        if packing is not None:
            dataset.compress(packing, generate_instance_uid=False)
        dataset.save_as(folder / f"IM{index:04d}", enforce_file_format=True)


def print_table(report: dict[str, Any]) -> None:
    """A table for docs/benchmarks.md."""
    print(f"\n{report['machine']}, {report['date']}; volumes of {' x '.join(map(str, report['shape']))} voxels")
    print(f"largest process: {max(report['largest_worker_mib'], report['parent_mib']):.0f} MiB\n")
    print("| what | processes | seconds | per second |")
    print("|---|---|---|---|")
    for row in report["rows"]:
        print(f"| {row['what']} | {row['workers']} | {row['seconds']:.1f} | {row['n'] / row['seconds']:.1f} |")


if __name__ == "__main__":
    main()
