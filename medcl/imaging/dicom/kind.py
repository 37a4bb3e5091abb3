"""Tells images from what else a radiology department exports: localisers, reports, captures, derived maps.

Only standard fields decide here (DICOM PS3.3 C.7.6.1.1.2 and C.8.13.3.1 Image Type; PS3.6 UIDs); words of a series'
description are matched by rules that users can edit (`medcl.imaging.dicom.rules`).
"""

from __future__ import annotations

from collections.abc import Sequence

LEFT_OUT = "left out: "
"""Start of a component that is no image; the reason follows."""

# fmt: off
IMAGE_CLASSES = frozenset({
    "1.2.840.10008.5.1.4.1.1.2",      # CT
    "1.2.840.10008.5.1.4.1.1.2.1",    # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2",    # Legacy Converted Enhanced CT
    "1.2.840.10008.5.1.4.1.1.4",      # MR
    "1.2.840.10008.5.1.4.1.1.4.1",    # Enhanced MR
    "1.2.840.10008.5.1.4.1.1.4.4",    # Legacy Converted Enhanced MR
})
"""SOP classes that are read."""

_OTHER_CLASSES = (
    ("1.2.840.10008.5.1.4.1.1.7", "a secondary capture"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "a key object note"),
    ("1.2.840.10008.5.1.4.1.1.88", "a report"),
    ("1.2.840.10008.5.1.4.1.1.104", "a report"),
    ("1.2.840.10008.5.1.4.1.1.11", "a presentation state"),
    ("1.2.840.10008.5.1.4.1.1.66.4", "a segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66", "raw data"),
    ("1.2.840.10008.5.1.4.1.1.481", "radiotherapy data"),
    ("1.2.840.10008.5.1.4.1.1.30", "a parametric map"),
    ("1.2.840.10008.5.1.4.1.1.4.2", "spectroscopy"),
    ("1.2.840.10008.1.3.10", "a directory of the medium"),
)
_COMPONENTS = {
    "w": "water", "water": "water", "f": "fat", "fat": "fat",
    "ip": "in-phase", "in_phase": "in-phase", "inphase": "in-phase", "in phase": "in-phase",
    "op": "out-phase", "out_phase": "out-phase", "outphase": "out-phase", "opp_phase": "out-phase",
    "opposed_phase": "out-phase", "out phase": "out-phase",
    "p": f"{LEFT_OUT}a phase image", "phase": f"{LEFT_OUT}a phase image", "phase map": f"{LEFT_OUT}a phase image",
    "r": f"{LEFT_OUT}a real part", "real": f"{LEFT_OUT}a real part",
    "i": f"{LEFT_OUT}an imaginary part", "imaginary": f"{LEFT_OUT}an imaginary part",
}
_REASONS = {
    "localizer": "a localiser", "screen save": "a secondary capture", "mosaic": "a Siemens mosaic",
    "mpr": "a reformatted image", "csa mpr": "a reformatted image", "reformatted": "a reformatted image",
    "mip": "a projection", "csa mip": "a projection", "min_ip": "a projection", "mnip": "a projection",
    "projection image": "a projection", "volume_render": "a projection",
    "subtract": "a derived map (subtraction)", "subtraction": "a derived map (subtraction)",
    "sub": "a derived map (subtraction)",
}
_MAPS = (
    "adc", "fa", "tracew_adc", "t1 map", "t1_map", "t2 map", "t2_map", "t2_star map", "t2*_map", "r2 map",
    "r2_map", "r2* map", "r2_star map", "pd map", "fat_fraction", "fatfrac", "water_fraction", "perfusion",
    "ttp", "pbp", "relcbf", "relcbv", "relmtt", "ktrans", "mean_map", "stdev_map", "velocity", "b0 map", "b1 map",
    "elastogram", "stiffness", "wave",
)
# fmt: on
_ENHANCED_MAPS = frozenset({"adc", "t1", "t2", "t2_star", "fa", "fat_fraction", "r2_star", "pd", "b0", "b1"})
_DIXON_PREFIXES = {"water": "water", "fat": "fat", "inphase": "in-phase", "outphase": "out-phase"}
_CONTRAST = 3  # place of an enhanced frame's "derived pixel contrast" among the values of FrameType


def refused_class(sop_class: str) -> str | None:
    """What an object is that is no CT or MR image, by its SOP class; None for those images."""
    if sop_class in IMAGE_CLASSES:
        return None
    for start, name in _OTHER_CLASSES:
        if sop_class == start or sop_class.startswith(f"{start}."):
            return name
    return "not a CT or MR image"


def component(image_type: Sequence[str], description: str, *, enhanced: bool = False) -> str:
    """What an image shows: magnitude, water, fat, in-phase, out-phase, or `LEFT_OUT` and the reason.

    Args:
        image_type: values of ImageType, or of FrameType.
        description: of the series; scanners of one maker begin it with "WATER:", "FAT:", "InPhase:", "OutPhase:".
        enhanced: whether the fourth value is the contrast of a derived frame (T1, ADC, ...).
    """
    words = [word.strip().casefold() for word in image_type]
    for word in words:
        if word in _REASONS:
            return LEFT_OUT + _REASONS[word]
        if word in _MAPS:
            return f"{LEFT_OUT}a derived map ({word.removesuffix(' map').removesuffix('_map')})"
    if enhanced and len(words) > _CONTRAST and words[_CONTRAST] in _ENHANCED_MAPS:
        return f"{LEFT_OUT}a derived map ({words[_CONTRAST]})"
    found = next((_COMPONENTS[word] for word in words[2:] if word in _COMPONENTS), "")
    start = description.split(":", 1)[0].strip().casefold().replace(" ", "") if ":" in description else ""
    return found or _DIXON_PREFIXES.get(start, "magnitude")
