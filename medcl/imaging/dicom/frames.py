"""The frames of an enhanced multi-frame file (DICOM PS3.3 C.7.6.16), each with its place, scale and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from medcl.imaging.dicom.diffusion import b_value_of_frame
from medcl.imaging.dicom.header import Slice
from medcl.imaging.dicom.kind import LEFT_OUT, component
from medcl.imaging.dicom.values import clock, number, numbers, texts, timing

_EMPTY = Dataset()
_DATE_DIGITS = 8


def frames(dataset: Any) -> Iterator[Slice]:
    """Yield every frame of an enhanced file; what stands in the shared groups holds for all.

    Raises:
        ValueError: the number of frames and that of their descriptions differ.
    """
    every = dataset.PerFrameFunctionalGroupsSequence
    shared_groups = dataset.get("SharedFunctionalGroupsSequence")
    shared = shared_groups[0] if shared_groups else _EMPTY
    if len(every) != int(dataset.get("NumberOfFrames") or 0):
        raise ValueError("number of frames")
    for index, own in enumerate(every):
        yield _frame(index, own, shared, dataset)


def _frame(index: int, own: Any, shared: Any, dataset: Any) -> Slice:
    def group(name: str) -> Any:
        for source in (own, shared):
            if source.get(name):
                return source[name][0]
        return _EMPTY

    measures, scale = group("PixelMeasuresSequence"), group("PixelValueTransformationSequence")
    position = numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = numbers(measures, "PixelSpacing", 2)
    shows = _component(group, dataset)
    if position is None or orientation is None or spacing is None:
        position, orientation, spacing = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 1.0)
        shows = f"{LEFT_OUT}it has no place in the patient"
    slope, relaxation = number(scale, "RescaleSlope"), group("MRTimingAndRelatedParametersSequence")
    thickness = number(measures, "SpacingBetweenSlices") or number(measures, "SliceThickness")
    return Slice(
        frame=index,
        position=(position[0], position[1], position[2]),
        orientation=orientation,
        spacing=(spacing[0], spacing[1]),
        thickness=thickness or number(dataset, "SpacingBetweenSlices") or number(dataset, "SliceThickness") or 0.0,
        slope=1.0 if slope is None else slope,
        intercept=number(scale, "RescaleIntercept") or 0.0,
        component=shows,
        echo=number(group("MREchoSequence"), "EffectiveEchoTime") or 0.0,
        number=index + 1,
        times=_times(group("FrameContentSequence"), group("CardiacSynchronizationSequence")),
        b_value=b_value_of_frame(group("MRDiffusionSequence")),
        timing=timing(relaxation, group("MRModifierSequence"), relaxation),
    )


def _component(group: Any, dataset: Any) -> str:
    """What a frame shows, by its own frame type, else by that of the file."""
    for name in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence"):
        kind = group(name)
        if "FrameType" in kind:
            break
    else:
        kind = _EMPTY
    types = texts(kind, "FrameType") or texts(dataset, "ImageType")
    part = [*texts(kind, "ComplexImageComponent")]
    part = [] if part in (["MAGNITUDE"], ["MIXED"]) else part
    return component([*types, *part], str(dataset.get("SeriesDescription") or ""), enhanced=True)


def _times(content: Any, cardiac: Any) -> dict[str, float]:
    """The frame's values of PHASE_KEYS, under the names that they have in classic files."""
    told = {
        "TemporalPositionIdentifier": number(content, "TemporalPositionIndex"),
        "TriggerTime": number(cardiac, "NominalCardiacTriggerDelayTime"),
        "AcquisitionTime": _moment(content, "FrameAcquisitionDateTime"),
        "AcquisitionNumber": number(content, "FrameAcquisitionNumber"),
        "ContentTime": _moment(content, "FrameReferenceDateTime"),
    }
    return {key: value for key, value in told.items() if value is not None}


def _moment(content: Any, name: str) -> float | None:
    """Seconds after midnight of a date and time."""
    return clock(str(content.get(name) or "")[_DATE_DIGITS:])
