"""The b-value of a diffusion image: images of several b-values at one place are no phases."""

from __future__ import annotations

from typing import Any

from pydicom.tag import BaseTag, Tag

from medcl.imaging.dicom.values import number

_STANDARD = "DiffusionBValue"
_BLOCK = 0x10
_SIEMENS, _GE, _PHILIPS = (0x0019, "SIEMENS MR HEADER"), (0x0043, "GEMS_PARM_01"), (0x2001, "Philips Imaging DD 001")
_MAKERS = ((*_SIEMENS, 0x0C), (*_GE, 0x39), (*_PHILIPS, 0x03))
"""Group, private creator and element of the b-value of makers that do not use the standard's field, in their files'
first private block, as their conformance statements have them."""

_GE_OFFSET = 1e9
"""GE adds this to a b-value that it has computed."""

PRIVATE_TAGS: tuple[BaseTag, ...] = tuple(
    Tag(group, element) for group, _, last in _MAKERS for element in (_BLOCK, (_BLOCK << 8) + last)
)
"""What must be parsed of a header for it."""


def b_value(dataset: Any) -> float | None:
    """The b-value (s/mm2) of a classic file, None where it tells none."""
    told = number(dataset, _STANDARD)
    if told is not None:
        return told
    for group, creator, last in _MAKERS:
        if str(_value(dataset, group, _BLOCK) or "").strip() == creator:
            found = _first_number(_value(dataset, group, (_BLOCK << 8) + last))
            if found is not None:
                return found % _GE_OFFSET
    return None


def b_value_of_frame(diffusion: Any) -> float | None:
    """The same of an enhanced file's frame, from its MRDiffusionSequence; one without direction may tell none."""
    told = number(diffusion, _STANDARD)
    return 0.0 if told is None and diffusion.get("DiffusionDirectionality") == "NONE" else told


def _value(dataset: Any, group: int, element: int) -> Any:
    tag = Tag(group, element)
    return dataset[tag].value if tag in dataset else None


def _first_number(value: Any) -> float | None:
    if isinstance(value, bytes):  # implicit files tell no type, and pydicom knows the commonest private fields alone
        value = value.decode("ascii", "ignore").strip("\0 ")
    if isinstance(value, str):
        value = value.split("\\")[0]
    elif value is not None and hasattr(value, "__getitem__"):
        value = value[0] if len(value) else None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if 0 <= found < 2 * _GE_OFFSET else None
