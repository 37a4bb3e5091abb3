"""The sample pictures of a translation run: the same source slices, translated again and again while it trains.

Beside them stand the real target slices that look most like their translations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medcl.data.domains import Domains
from medcl.figures.planes import resized
from medcl.figures.translation.epochs import panels_file
from medcl.figures.translation.panel import Panel
from medcl.figures.translation.panels import write_panels
from medcl.methods.translation import Translation
from medcl.study.label_classes import LabelClass
from medcl.workflows.translation_panel_slices import PanelSlices

NEIGHBOURS = 2
THUMBNAIL = 16
"""Pixels along y and x to which slices are brought before they are compared: their look, not their noise."""

Floats = NDArray[np.float32]


class PanelMaker:
    """Draws panels/epoch-0010.png, ... into a run's folder.

    Args:
        method: that trains, in evaluation mode whenever it is drawn; the networks that it keeps are shown.
        domains: source and target slices.
        folder: of the run.
        device: where the method is.
        classes: of the source's masks; () where masks are not used.
        seed: of the run.
        every: epochs between two pictures; the last epoch has one always.
        epochs: of the run.
        ids: whether images may be named; else they are numbered.

    Attributes:
        slices: those that are shown.
    """

    def __init__(
        self,
        method: Translation,
        domains: Domains,
        folder: Path,
        *,
        device: torch.device,
        classes: Sequence[LabelClass] = (),
        seed: int = 0,
        every: int = 1,
        epochs: int = 1,
        ids: bool = True,
    ) -> None:
        self.slices = PanelSlices(domains, [each.value for each in classes], seed)
        self._method = method
        self._folder = folder
        self._device = device
        self._classes = classes
        self._every = every
        self._epochs = epochs
        self._ids = ids

    def draw(self, epochs_done: int) -> None:
        """Draw the picture after an epoch, if it is one of those that have one.

        Args:
            epochs_done: from 1.

        Raises:
            BadInput: a slice or mask cannot be read.
            RunFailed: the picture cannot be written.
        """
        if epochs_done % self._every and epochs_done != self._epochs:
            return
        with torch.no_grad():
            panels = [self._panel(place, row) for place, row in enumerate(self.slices.shown, start=1)]
        if panels:
            path = panels_file(self._folder, epochs_done)
            write_panels(path, panels, self._classes, f"after epoch {epochs_done}")

    def _panel(self, place: int, row: int) -> Panel:
        source = self.slices.read(row)
        made = self._method.kept_generator(self._batch([source]))
        translated: Floats = made[0, 0, 0].float().cpu().numpy()
        nearest = self._nearest(translated)
        neighbours = tuple(self.slices.read(each) for each in nearest)
        masks = self._segmented([translated, *neighbours])
        return Panel(
            self.slices.case(row) if self._ids else f"image {place}",
            self.slices.number(row),
            source,
            translated,
            neighbours,
            self.slices.mask(row),
            masks[0] if masks else None,
            tuple(masks[1:]),
            tuple(map(self._name, nearest)) if self._ids else (),
        )

    def _segmented(self, slices: Sequence[Floats]) -> list[NDArray[np.uint8]]:
        """The class indices of each slice, (Y, X); [] without a segmentation network."""
        segmenter = self._method.kept_segmenter
        if segmenter is None:
            return []
        decided = segmenter.probabilities(self._batch(slices)).argmax(dim=1)
        return list(decided[:, 0].to(torch.uint8).cpu().numpy())

    def _nearest(self, translated: Floats) -> list[int]:
        """Rows of the target slices that look most like a translation, the nearest first."""
        apart = np.square(self._thumbnails - _thumbnail(translated)).mean(axis=(1, 2))
        return [self.slices.pool[place] for place in np.argsort(apart, kind="stable")[:NEIGHBOURS].tolist()]

    @cached_property
    def _thumbnails(self) -> Floats:
        """The pool's slices, small: (P, 16, 16)."""
        found = [_thumbnail(self.slices.read(row)) for row in self.slices.pool]
        return np.array(found, np.float32).reshape(len(found), THUMBNAIL, THUMBNAIL)

    def _batch(self, slices: Sequence[Floats]) -> torch.Tensor:
        return torch.from_numpy(np.stack(slices))[:, None, None].to(self._device)

    def _name(self, row: int) -> str:
        return f"{self.slices.case(row)} · slice {self.slices.number(row)}"


def _thumbnail(plane: Floats) -> Floats:
    return resized(plane, THUMBNAIL, THUMBNAIL)
