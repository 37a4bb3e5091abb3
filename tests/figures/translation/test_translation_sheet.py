"""The sample picture: every slice in its place, turned as radiologists hang it, with what was found on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medcl.figures.translation.indexed_png import indexed_png, png_size
from medcl.figures.translation.panels import GAP, GREYS, MARGIN, WHITE, caption, palette, sheet, write_panels
from tests.figures.translation.translation_cases import CLASSES, decoded, panel

LIVER, KIDNEY = GREYS, GREYS + 1


def cells(pixels: np.ndarray, columns: int, side: int) -> list[np.ndarray]:
    """The slices of the first row, from left to right."""
    grey = (pixels[:, MARGIN : MARGIN + side] != WHITE).all(axis=1) | (pixels[:, MARGIN + 1] == 0)
    top = int(np.flatnonzero(grey)[0])
    return [
        pixels[top : top + side, left : left + side] for left in (MARGIN + c * (side + GAP) for c in range(columns))
    ]


def test_the_file_is_a_picture_of_the_sheet(tmp_path: Path) -> None:
    file = tmp_path / "panels" / "epoch-0001.png"
    write_panels(file, [panel(), panel(case="P2_ct")], CLASSES, "after epoch 1")
    pixels, colours = decoded(file.read_bytes())
    assert (pixels == sheet([panel(), panel(case="P2_ct")], CLASSES, "after epoch 1")).all()
    assert colours[LIVER : KIDNEY + 1] == ["#0072b2", "#d55e00"]
    assert colours[0] == "#000000"
    assert colours[WHITE] == "#ffffff"
    assert png_size(file.read_bytes()) == pixels.shape[::-1]
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(("size", "scale"), [(32, 10), (64, 5), (192, 2), (256, 1), (512, 1)])
def test_small_slices_are_enlarged_by_whole_numbers(size: int, scale: int) -> None:
    pixels = sheet([panel(size, neighbours=0, outlined=False)], CLASSES)
    assert pixels.shape[1] == 2 * MARGIN + 2 * size * scale + GAP


def test_slices_stand_in_their_columns_hung_as_radiologists_do() -> None:
    source, translated, *nearest = cells(sheet([panel(outlined=False)], []), 4, 320)
    assert (source[-10:] == WHITE).all()  # the first row is the patient's back
    assert (source[:-10] == 0).all()
    assert (translated == WHITE - source).all()
    assert all((each == 32).all() for each in nearest)


def test_left_and_right_are_turned_too() -> None:
    plane = np.zeros((32, 32), np.float32)
    plane[:, 0] = 1  # the patient's left
    shown = cells(sheet([replace(panel(outlined=False), source=plane)], []), 1, 320)[0]
    assert (shown[:, -10:] == WHITE).all()
    assert (shown[:, :-10] == 0).all()


def test_labels_are_on_the_source_and_findings_on_the_others() -> None:
    found = [set(np.unique(cell).tolist()) & {LIVER, KIDNEY} for cell in cells(sheet([panel()], CLASSES), 4, 320)]
    assert found == [{LIVER}, {KIDNEY}, {KIDNEY}, {KIDNEY}]


def test_outlines_lie_where_the_mask_is() -> None:
    source = cells(sheet([panel()], CLASSES), 1, 320)[0]
    rows, columns = np.nonzero(source == LIVER)
    assert (rows.min(), rows.max()) == (160 - 1, 240)  # rows 8 to 15 of 32 from below, 10 pixels each
    assert (columns.min(), columns.max()) == (160 - 1, 240)


def test_without_masks_there_is_no_colour_and_no_legend() -> None:
    plain, outlined = sheet([panel(outlined=False)], CLASSES), sheet([panel()], CLASSES)
    assert plain.max() == WHITE
    assert plain.shape[0] < outlined.shape[0]


def test_a_panel_without_neighbours_leaves_their_place_white() -> None:
    both, one = sheet([panel(), panel(neighbours=0)], CLASSES), sheet([panel()], CLASSES)
    added = both.shape[0] - one.shape[0]  # the second row's
    assert added > 320
    assert (both[-added - 60 : -80, -MARGIN - 2 * 320 - GAP :] == WHITE).all()
    assert sheet([panel(neighbours=0)], CLASSES).shape[1] == 2 * MARGIN + 2 * 320 + GAP


def test_the_title_and_the_names_are_written() -> None:
    plain = sheet([panel()], CLASSES)
    assert sheet([panel()], CLASSES, "after epoch 3").shape[0] > plain.shape[0]
    assert np.any(sheet([panel(case="P9_ct")], CLASSES) != plain)
    assert caption(panel(neighbour_names=("M1 · slice 2", "M4 · slice 0"))) == (
        "P1_ct · slice 7 (nearest: M1 · slice 2, M4 · slice 0)"
    )
    assert caption(panel(case="")) == "slice 7"


def test_many_classes_with_long_names_wrap_and_share_the_last_colours() -> None:
    many = [replace(CLASSES[0], value=n, name=f"structure number {n} of a very long list") for n in range(1, 254)]
    assert len(palette(many)) == 256
    pixels = sheet([replace(panel(), labels=np.full((32, 32), 253, np.uint8))], many)
    assert pixels.shape[1] == sheet([panel()], CLASSES).shape[1]
    assert pixels.max() < 256


def test_values_beyond_0_and_1_and_none_at_all_are_drawn() -> None:
    odd = np.full((32, 32), np.nan, np.float32)
    odd[0], odd[1] = 7, -7
    shown = cells(sheet([replace(panel(outlined=False), source=odd)], []), 1, 320)[0]
    assert set(np.unique(shown).tolist()) == {0, WHITE}


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sizes \(16, 16\), \(32, 32\)"):
        replace(panel(), labels=np.zeros((16, 16), np.uint8))
    with pytest.raises(ValueError, match="1 segmentations or names for 2 neighbours"):
        replace(panel(), neighbour_names=("one",))
    with pytest.raises(ValueError, match="no panel"):
        sheet([], CLASSES)
    with pytest.raises(ValueError, match="palette of 1 colours for pixels up to 3"):
        indexed_png(np.full((2, 2), 3, np.uint8), ["#000000"])
