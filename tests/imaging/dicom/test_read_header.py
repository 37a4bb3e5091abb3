"""Headers: what is no image is told in words, damage costs one file, and nothing of a header enters a reason."""

from __future__ import annotations

import os
import random
import resource
import tracemalloc
import zlib
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_phantoms import PLANES, classic, enhanced, lps_affine, noise, write_stack
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from medcl.imaging.dicom import inflate
from medcl.imaging.dicom.grouping import Member
from medcl.imaging.dicom.header import Header, LeftOut
from medcl.imaging.dicom.pixels import PixelFault, read_slices
from medcl.imaging.dicom.read_header import TAGS, read_header

AXIAL = lps_affine(PLANES["axial"])
SECRETS = {"PatientName": "Secretname^X", "PatientBirthDate": "19510203", "AccessionNumber": "ACC998877"}


def one(folder: Path, **fields: Any) -> Path:
    return write_stack(folder, noise(1), AXIAL, **fields)[0]


def reason(path: Path) -> str:
    found = read_header(path)
    assert isinstance(found, LeftOut), found
    return found.reason


def test_what_is_kept_of_a_header(tmp_path: Path) -> None:
    fields = {
        "SeriesDescription": "Ax  LAVA-Flex tub",
        "InstitutionName": "Hôpital Nord",
        "SpecificCharacterSet": "ISO_IR 192",
        "Manufacturer": "GE",
        "ManufacturerModelName": "Optima",
        "AcquisitionTime": "101112.5",
        "EchoTime": "2.1",
        "SeriesNumber": 9,
    }
    header = read_header(one(tmp_path, **fields))
    assert isinstance(header, Header)
    assert (header.patient, header.date, header.modality) == ("P7", "2020-01-05", "mr")
    assert (header.description, header.site, header.scanner) == ("Ax LAVA-Flex tub", "Hôpital Nord", "GE Optima")
    assert header.number == 9
    (only,) = header.slices
    assert only.times == {"AcquisitionTime": 10 * 3600 + 11 * 60 + 12.5}
    assert (only.position, only.spacing, only.thickness) == ((-20, 10, 5), (2, 1.5), 3)
    assert only.echo == 2.1


def test_of_a_patient_the_id_alone_is_read(tmp_path: Path) -> None:
    header = read_header(one(tmp_path, **SECRETS))
    assert not any(secret in repr(header) for secret in SECRETS.values())
    personal = {name for name in TAGS if name.startswith(("Patient", "Accession", "Referring", "Other"))}
    assert personal == {"PatientID"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "a secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"}, "a report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "a report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "not a CT or MR image"),
        ({"Modality": "US"}, "not of modality CT or MR"),
        ({"BurnedInAnnotation": "YES"}, "burned into"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localiser"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "a derived map (adc)"),
        ({"ImageType": ["DERIVED", "PRIMARY", "T1 MAP"]}, "a derived map (t1)"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "a reformatted image"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "a phase image"),
        ({"ImagePositionPatient": None}, "no place in the patient"),
        ({"ImagePositionPatient": ["1", "2"]}, "no place in the patient"),
        ({"PixelSpacing": None}, "no place in the patient"),
        ({"SeriesInstanceUID": None}, "SeriesInstanceUID"),
        ({"Rows": 0}, "no picture size"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000"),
        ({"NumberOfFrames": 3}, "torn"),
    ],
)
def test_what_is_no_image_is_told(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    assert told in reason(one(tmp_path, **SECRETS, **fields))
    assert isinstance(read_header(one(tmp_path / "twin", **SECRETS)), Header)


def test_files_that_are_no_dicom(tmp_path: Path) -> None:
    for name, content, told in [
        ("empty", b"", "is empty"),
        ("text", b"hello", "is no DICOM file"),
        ("zip", b"PK\x03\x04" + bytes(200), "zip archive"),
        ("preamble", bytes(128) + b"DICM", ""),
        ("noise", random.Random(0).randbytes(5000), "is no DICOM file"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert told in reason(tmp_path / name)
    assert "cannot be read" in reason(tmp_path / "missing")


@pytest.mark.parametrize("share", [0.999, 0.9, 0.6, 0.3])
def test_torn_files_are_told(tmp_path: Path, share: float) -> None:
    path = one(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert reason(path).startswith(("is torn", "is damaged"))


def damaged_files(folder: Path, count: int, seed: int) -> list[Path]:
    """Files of every packing with random damage: bits, bytes, runs, lengths, ends."""
    plain = classic(
        noise(1, 64, 64)[0], AXIAL, {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    )
    contents = []
    for syntax in (None, RLELossless, JPEG2000Lossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian):
        dataset = pydicom.dcmread(save(folder, plain))
        if syntax == DeflatedExplicitVRLittleEndian:
            dataset.file_meta.TransferSyntaxUID = syntax
        elif syntax:
            dataset.compress(syntax)
        contents.append(save(folder, dataset).read_bytes())
    voxels = np.stack([noise(2, 16, 16), noise(2, 16, 16, seed=1)])
    contents.append(enhanced(folder / "base", voxels, AXIAL, list(product(range(2), range(2)))).read_bytes())
    draw = random.Random(seed)
    paths = []
    for index in range(count):
        content = bytearray(draw.choice(contents))
        start = draw.randrange(len(content))
        kind = draw.randrange(5)
        if kind == 0:
            del content[start:]
        elif kind == 1:
            content[start : start + 4] = b"\xff" * 4
        elif kind == 2:
            content[start : start + 200] = draw.randbytes(len(content[start : start + 200]))
        else:
            reach = min(len(content), 1500 if kind == 3 else len(content))
            for _ in range(draw.randint(1, 20)):
                content[draw.randrange(132, reach)] = draw.randrange(256)
        paths.append(folder / f"damaged{index}")
        paths[-1].write_bytes(content)
    return paths


def save(folder: Path, dataset: Any) -> Path:
    dataset.save_as(folder / "base", enforce_file_format=True)
    return folder / "base"


@pytest.mark.parametrize("seed", range(3))
def test_damage_costs_one_file_and_one_line(tmp_path: Path, seed: int) -> None:
    outcomes, reasons = set(), []
    for path in damaged_files(tmp_path, 150, seed):
        found = read_header(path)
        if isinstance(found, LeftOut):
            outcomes.add("header")
            reasons.append(found.reason)
            continue
        try:
            for pixels in read_slices([Member(path, found.instance, each) for each in found.slices]):
                assert pixels.shape == (found.rows, found.columns)
            outcomes.add("fine")
        except PixelFault as fault:
            outcomes.add("pixels")
            reasons.append(fault.reason)
    assert all(each.isprintable() and str(tmp_path) not in each for each in reasons)
    assert outcomes == {"header", "fine", "pixels"}


def test_a_codestream_of_another_size_never_reaches_the_decoder(tmp_path: Path) -> None:
    """A JPEG 2000 picture that declares 2^31 voxels would take that memory."""
    path = write_stack(tmp_path, noise(1, 64, 64), AXIAL)[0]
    dataset = pydicom.dcmread(path)
    dataset.compress(JPEG2000Lossless)
    dataset.save_as(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\x4f\xff\x51") + 8
    content[at : at + 8] = (1 << 16).to_bytes(4, "big") + (1 << 15).to_bytes(4, "big")
    path.write_bytes(content)
    header = read_header(path)
    assert isinstance(header, Header)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PixelFault, match="another size"):
        list(read_slices([Member(path, header.instance, header.slices[0])]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_zip_bomb_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "LARGEST_INFLATED_BYTES", 1 << 24)
    path = one(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    assert isinstance(read_header(path), Header)  # an honest deflated file
    content = path.read_bytes()
    start = 144 + int(pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(content[:start] + packer.compress(bytes(1 << 26)) + packer.flush())
    tracemalloc.start()
    assert "swells" in reason(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 23
    tracemalloc.stop()


def test_nested_sequences_without_end_are_damage(tmp_path: Path) -> None:
    path = one(tmp_path)
    content = path.read_bytes()
    at = content.index(b"\x28\x00\x02\x00")
    nest = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 3000
    path.write_bytes(content[:at] + nest)
    assert reason(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_told(tmp_path: Path) -> None:
    path = one(tmp_path)
    path.chmod(0)
    assert "cannot be read" in reason(path)
