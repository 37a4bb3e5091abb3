"""The sample pictures of a run's epochs: one large, the newest first, and a slider to the earlier ones."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medcl.figures.translation.indexed_png import png_size
from medcl.study.errors import BadInput

STYLE = """
#samples figure { margin-top: 8px; }
#samples img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); }
#samples .slider { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }
#samples input { width: min(420px, 100%); accent-color: var(--ink); }
#samples output { font-weight: 650; }
@media print { #samples figure { break-inside: avoid; } #samples img { max-height: 225mm; width: auto; } }
"""

SCRIPT = """
(function () {
  "use strict";
  const slider = document.getElementById("epoch"), told = document.getElementById("epoch-told");
  if (!slider) { return; }
  const shown = Array.from(document.querySelectorAll("#samples figure")).reverse();
  function apply() {
    shown.forEach(function (figure, place) { figure.hidden = place !== Number(slider.value); });
    told.textContent = slider.ariaValueText = "epoch " + shown[Number(slider.value)].dataset.epoch;
  }
  slider.addEventListener("input", apply);
  slider.closest(".slider").hidden = false;
  slider.value = shown.length - 1;
  apply();
})();
"""

MOST = 12
"""Pictures that a page holds; of more, the first, the last and some evenly between."""

_NAME = re.compile(r"epoch-(\d+)\.png")


@dataclass(frozen=True)
class EpochPanels:
    """The sample pictures after an epoch.

    Attributes:
        epoch: how many were done.
        content: of the PNG file.
    """

    epoch: int
    content: bytes


def panels_file(folder: Path, epoch: int) -> Path:
    """Where a run keeps the pictures after an epoch: panels/epoch-0010.png."""
    return folder / "panels" / f"epoch-{epoch:04d}.png"


def read_epoch_panels(folder: Path, most: int = MOST) -> list[EpochPanels]:
    """The pictures in a run's folder, the oldest first; [] where there are none.

    Args:
        folder: of the run.
        most: that are read, 1 or more.

    Raises:
        BadInput: a file cannot be read or is no PNG.
    """
    files = {int(name[1]): file for file in (folder / "panels").glob("*.png") if (name := _NAME.fullmatch(file.name))}
    return [EpochPanels(epoch, _read(files[epoch])) for epoch in evenly(sorted(files), most)]


def evenly(epochs: Sequence[int], most: int) -> list[int]:
    """At most so many, the last among them, the first among several, and the others evenly between."""
    if len(epochs) <= most:
        return list(epochs)
    if most == 1:
        return [epochs[-1]]
    return [epochs[round(place * (len(epochs) - 1) / (most - 1))] for place in range(most)]


def samples(panels: Sequence[EpochPanels], about: str) -> str:
    """The pictures as HTML, the newest first; nothing where there are none.

    Without scripts all of them stand below each other; on paper the one that is chosen.

    Args:
        panels: of different epochs.
        about: what the pictures show, plain HTML.
    """
    if not panels:
        return ""
    ordered = sorted(panels, key=lambda each: each.epoch)
    slider = (
        '<p class="slider screen-only" hidden><label for="epoch">Sample pictures after</label>'
        f'<input type="range" id="epoch" min="0" max="{len(ordered) - 1}" step="1" value="{len(ordered) - 1}">'
        f'<output id="epoch-told" for="epoch" aria-live="polite">epoch {ordered[-1].epoch}</output></p>'
        if len(ordered) > 1
        else ""
    )
    figures = "".join(_figure(each) for each in reversed(ordered))
    return f'<section id="samples"><h2>Samples</h2><p>{about}</p>{slider}{figures}<script>{SCRIPT}</script></section>'


def _figure(each: EpochPanels) -> str:
    width, height = png_size(each.content)
    uri = "data:image/png;base64," + base64.b64encode(each.content).decode("ascii")
    said = f"Source slices, their translations and the target slices nearest to them, after epoch {each.epoch}"
    return (
        f'<figure data-epoch="{each.epoch}"><img src="{uri}" width="{width}" height="{height}" alt="{said}"></figure>'
    )


def _read(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        png_size(content)
    except (OSError, ValueError) as error:
        raise BadInput(f"{file}: cannot be read as a picture ({error}). Delete it, and make the page again.") from error
    return content
