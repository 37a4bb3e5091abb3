"""The stored numbers of slices, whatever they are packed with (pydicom and its pylibjpeg plugins).

A damaged file costs that file: its declared sizes are held against what it really carries before a decoder may ask
for memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from medcl.imaging.dicom.codestream import declared_size
from medcl.imaging.dicom.grouping import Member
from medcl.imaging.dicom.read_header import quiet

_RLE_PLUGIN = "pydicom"
"""pylibjpeg-rle, which pydicom would try second, panics on damaged files instead of raising an exception."""


class PixelFault(Exception):
    """The pixels of a file cannot be had.

    Attributes:
        path: the file.
        reason: why, without the file's name and without a word of its header.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def read_slices(members: Sequence[Member]) -> Iterator[NDArray[Any]]:
    """Yield the stored numbers (rows, columns) of slices, in the order given, a file at a time.

    Raises:
        PixelFault: a file cannot be read or decoded.
    """
    for path, of_file in groupby(members, key=lambda member: member.path):
        yield from _of_file(path, [member.slice.frame for member in of_file])


def same_pixels(one: Member, other: Member) -> bool:
    """Whether two slices hold the same numbers.

    Raises:
        PixelFault: as `read_slices`.
    """
    (first,), (second,) = read_slices([one]), read_slices([other])
    return first.shape == second.shape and bool(np.array_equal(first, second))


def _of_file(path: Path, frames: list[int]) -> Iterator[NDArray[Any]]:
    name = "unknown"
    try:
        with quiet():
            dataset = pydicom.dcmread(path, force=True)
            syntax = _transfer_syntax(dataset)
            name = syntax.name if syntax.name != syntax else name  # the bare text of an unknown one may be anything
            if syntax.is_encapsulated and syntax != RLELossless:
                _refuse_other_sizes(dataset)
            plugin = _RLE_PLUGIN if syntax == RLELossless else ""
            decoded = iter_pixels(dataset, indices=frames, raw=True, decoding_plugin=plugin)
            shape = (int(dataset.Rows), int(dataset.Columns))
            for array in decoded:
                if array.shape != shape:
                    raise PixelFault(path, "its pixels are not of the declared size")
                yield array
    except PixelFault:
        raise
    except OSError as error:
        raise PixelFault(path, f"cannot be read ({error.strerror or 'input error'})") from None
    except NotImplementedError:
        raise PixelFault(path, f"its pixels are packed in a way that is not supported ({name})") from None
    except Exception:  # what decoders raise for garbage is of any kind, and quotes the file
        raise PixelFault(path, f"its pixels are damaged or cannot be decoded ({name})") from None


def _transfer_syntax(dataset: Any) -> Any:
    """The file's transfer syntax; one that is not named (no preamble) is told by how it could be parsed."""
    known = dataset.file_meta.get("TransferSyntaxUID")
    if known is None:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        known = dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    return known


def _refuse_other_sizes(dataset: Any) -> None:
    """Refuse a picture whose codestream declares another size than the header: the decoder would take that memory."""
    count = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=count):
        size = declared_size(frame)
        if size != (int(dataset.Rows), int(dataset.Columns)):
            raise PixelFault(Path(dataset.filename), "its packed pixels are damaged, or of another size than declared")
