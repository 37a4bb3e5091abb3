"""DICOM SEG: written by highdicom, read back by its reader, pixel by pixel where the patient has them."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_phantoms import PLANES, coordinates, enhanced, lps_affine, noise, oblique, stored, write_stack

import medcl
from medcl.imaging.dicom.read_series import read_dicom
from medcl.imaging.dicom_seg import CODING_SCHEME, DicomGrid, modality_of, write_seg
from medcl.imaging.restore import restored_labels
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass

CLASSES = [LabelClass(2, "left kidney", "#ff0000"), LabelClass(700, "right kidney, " + "long " * 20, "#0072B2")]
SHAPE = (5, 6, 7)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def by_position(volume: Volume, cut: np.ndarray) -> Volume:
    """A label map that is told by the place of each voxel: two half spaces with a gap between them."""
    z, y, x = np.indices(volume.shape)
    places = np.einsum("ij,j...->i...", volume.affine[:3, :3], np.stack([x, y, z])) + volume.affine[:3, 3].reshape(
        3, 1, 1, 1
    )
    along = np.tensordot([0.6, 0.7, 0.8], places - cut.reshape(3, 1, 1, 1), 1)
    return Volume(np.where(along > 2, 2, np.where(along < -2, 700, 0)).astype(np.uint16), volume.affine)


@pytest.mark.parametrize("plane", [*PLANES, "oblique"])
@pytest.mark.parametrize("backwards", [False, True])
def test_every_pixel_comes_back_at_its_place(tmp_path: Path, plane: str, backwards: bool) -> None:
    affine = lps_affine(oblique(3) if plane == "oblique" else PLANES[plane])
    if backwards:
        affine[:3, 2] *= -1
    write_stack(tmp_path / "in", stored(coordinates(affine, SHAPE)[2]), affine)
    image = read_dicom(tmp_path / "in")
    middle = LPS_TO_RAS @ coordinates(affine, SHAPE).mean(axis=(1, 2, 3))
    labels = by_position(image, middle)
    assert set(np.unique(labels.voxels)) == {0, 2, 700}
    write_seg(tmp_path / "out.dcm", labels, tmp_path / "in", CLASSES, "ideal-8")

    seg = highdicom.seg.segread(tmp_path / "out.dcm")
    back = seg.get_volume(combine_segments=True)
    slices, rows, columns = np.indices(back.array.shape)
    places = np.tensordot(back.affine[:3, :3], np.stack([slices, rows, columns]), 1)
    places = np.tensordot(LPS_TO_RAS, places + back.affine[:3, 3].reshape(3, 1, 1, 1), 1)
    along = np.tensordot([0.6, 0.7, 0.8], places - middle.reshape(3, 1, 1, 1), 1)
    sure = np.abs(np.abs(along) - 2) > 1e-3
    assert np.array_equal(back.array[sure], np.where(along > 2, 1, np.where(along < -2, 2, 0))[sure])
    assert (back.array != 0).sum() == (labels.voxels != 0).sum()


def test_frames_refer_to_the_slices_of_the_source(tmp_path: Path) -> None:
    affine = lps_affine(PLANES["coronal"])
    files = write_stack(tmp_path / "in", noise(*SHAPE), affine)
    labels = np.zeros(read_dicom(tmp_path / "in").shape, np.uint8)
    labels[:] = 2
    write_seg(tmp_path / "out.dcm", Volume(labels, read_dicom(tmp_path / "in").affine), tmp_path / "in", CLASSES, "r")
    sources = {pydicom.dcmread(file).SOPInstanceUID: file for file in files}
    seg = highdicom.seg.segread(tmp_path / "out.dcm")
    assert {uid for _, _, uid in seg.get_source_image_uids()} == set(sources)
    whole = seg.get_pixels_by_source_instance(list(sources), combine_segments=True)
    assert whole.shape == SHAPE
    assert (whole == 1).all()


def test_what_the_header_tells(tmp_path: Path) -> None:
    write_stack(tmp_path / "in", noise(*SHAPE), lps_affine(PLANES["axial"]))
    image = read_dicom(tmp_path / "in")
    write_seg(tmp_path / "out.dcm", by_position(image, np.zeros(3)), tmp_path / "in", CLASSES, "ideal-8")
    seg = highdicom.seg.segread(tmp_path / "out.dcm")
    one, two = (seg.get_segment_description(number) for number in (1, 2))
    assert (one.segment_label, two.segment_label) == ("left kidney", CLASSES[1].name[:64].strip())
    assert one.segmented_property_type.value == "2"
    assert two.segmented_property_type.value == "700"
    assert one.segmented_property_type.scheme_designator == CODING_SCHEME
    (algorithm,) = one.algorithm_identification
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("medcl", medcl.__version__)
    assert one.algorithm_type.value == "AUTOMATIC"
    red = highdicom.color.CIELabColor.from_dicom_value(one.RecommendedDisplayCIELabValue).to_rgb()
    assert np.abs(np.array(red) - (255, 0, 0)).max() <= 3
    assert "ideal-8" in seg.SeriesDescription
    assert seg.PatientName == "Doe^Jane"  # on purpose
    assert seg.Modality == "SEG"


def test_one_enhanced_file_and_one_without_frame_of_reference(tmp_path: Path) -> None:
    affine = lps_affine(PLANES["sagittal"])
    order = [(0, index) for index in (3, 0, 4, 1, 2)]  # frames in no order
    enhanced(tmp_path / "in" / "IM", stored(coordinates(affine, SHAPE)[2])[None], affine, order)
    for plain in (False, True):
        folder = tmp_path / ("plain" if plain else "in")
        if plain:
            write_stack(folder, stored(coordinates(affine, SHAPE)[2]), affine, FrameOfReferenceUID=None)
        before = {file: file.read_bytes() for file in folder.iterdir()}
        image = read_dicom(folder)
        middle = LPS_TO_RAS @ coordinates(affine, SHAPE).mean(axis=(1, 2, 3))
        labels = by_position(image, middle)
        write_seg(tmp_path / "out.dcm", labels, folder, CLASSES, "r")
        back = highdicom.seg.segread(tmp_path / "out.dcm").get_volume(combine_segments=True)
        grid = DicomGrid.read(folder)
        assert grid.shape == SHAPE
        expected = by_position(Volume(np.zeros(SHAPE, np.uint8), grid.affine), middle).voxels
        order_of = np.argsort([np.dot(back.affine[:3, 0], back.affine[:3] @ (n, 0, 0, 1)) for n in range(SHAPE[0])])
        along = np.dot(back.affine[:3, 0], (LPS_TO_RAS @ grid.affine[:3, :3])[:, 2])
        told = np.select([expected == 2, expected == 700], [1, 2], 0)
        assert np.array_equal(back.array[order_of], told if along > 0 else told[::-1])
        assert {file: file.read_bytes() for file in folder.iterdir()} == before


def labels_of(folder: Path) -> Volume:
    image = read_dicom(folder)
    return Volume((np.random.default_rng(0).random(image.shape) > 0.5).astype(np.uint8) * 2, image.affine)


def test_an_enhanced_file_that_repeats_everything_for_each_frame(tmp_path: Path) -> None:
    """As Philips and Siemens write them: no shared groups, or none for spacing and orientation."""
    affine = lps_affine(PLANES["coronal"])
    order = [(0, index) for index in range(SHAPE[0])]
    file = enhanced(tmp_path / "in" / "IM", stored(coordinates(affine, SHAPE)[2])[None], affine, order)
    dataset = pydicom.dcmread(file)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        for element in shared:
            frame.add(element)
    del dataset.SharedFunctionalGroupsSequence
    dataset.save_as(file)
    write_seg(tmp_path / "out.dcm", labels_of(tmp_path / "in"), tmp_path / "in", CLASSES, "r")
    back = highdicom.seg.segread(tmp_path / "out.dcm")
    whole = back.get_pixels_by_source_frame(dataset.SOPInstanceUID, list(range(1, 6)), combine_segments=True)
    grid = DicomGrid.read(tmp_path / "in")
    expected = restored_labels(labels_of(tmp_path / "in"), grid.shape, grid.affine).voxels
    order_of = [member.slice.frame for member in grid.members]
    assert np.array_equal(whole[order_of], expected // 2)


def test_headers_as_anonymisers_leave_them(tmp_path: Path) -> None:
    affine = lps_affine(PLANES["axial"])
    gone = dict.fromkeys(["PatientID", "PatientName", "StudyDate", "SliceThickness", "FrameOfReferenceUID"])
    files = write_stack(tmp_path / "in", noise(*SHAPE), affine, **gone)
    odd = pydicom.dcmread(files[2])
    odd.ImageOrientationPatient = [1, 0.00001, 0, 0, 1, 0]  # rounding
    odd.save_as(files[2])
    write_seg(tmp_path / "out.dcm", labels_of(tmp_path / "in"), tmp_path / "in", CLASSES, "r")
    seg = highdicom.seg.segread(tmp_path / "out.dcm")
    assert seg.PatientName == ""
    assert seg.get_volume(combine_segments=True).array.sum() == labels_of(tmp_path / "in").voxels.sum() // 2


def test_what_highdicom_refuses_is_told_without_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(tmp_path / "in", noise(*SHAPE), lps_affine(PLANES["axial"]))

    def refuses(*given: object, **options: object) -> None:
        raise ValueError("Doe^Jane is no name")

    monkeypatch.setattr(highdicom.seg, "Segmentation", refuses)
    with pytest.raises(BadInput, match="no SEG can be written") as caught:
        write_seg(tmp_path / "out.dcm", labels_of(tmp_path / "in"), tmp_path / "in", CLASSES, "r")
    assert "Doe" not in str(caught.value)
    assert not (tmp_path / "out.dcm").exists()


def test_an_empty_mask_is_written_and_a_folder_of_no_image_refused(tmp_path: Path) -> None:
    write_stack(tmp_path / "in", noise(*SHAPE), lps_affine(PLANES["axial"]))
    image = read_dicom(tmp_path / "in")
    write_seg(
        tmp_path / "out.dcm", Volume(np.zeros(image.shape, np.uint8), image.affine), tmp_path / "in", CLASSES, "r"
    )
    seg = highdicom.seg.segread(tmp_path / "out.dcm")
    assert seg.number_of_segments == 2
    assert not seg.pixel_array.any()
    assert modality_of(tmp_path / "in") == "mr"
    (tmp_path / "none").mkdir()
    assert modality_of(tmp_path / "none") == ""
    with pytest.raises(BadInput, match="one 3D image"):
        DicomGrid.read(tmp_path / "none")
