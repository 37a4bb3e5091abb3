from __future__ import annotations

import numpy as np

from medcl.figures.colouring import Colouring
from medcl.figures.points import Points

GFR = Colouring("gfr", "mL/min/1.73m2", "numeric", np.array([44.0, np.nan]))


def test_hover_tells_patient_exam_sequence_split_and_variables() -> None:
    points = Points(["P001", "P002"], ["D15", "M3"], ["water", ""], ["test", "train"], [GFR])
    first, second = points.hover()
    assert first == "<b>P001</b> · D15 · water<br>Held-out test patient<br>GFR: 44 mL/min/1.73 m²"
    assert second == "<b>P002</b> · M3<br>Training patient<br>GFR: missing"


def test_no_ids_leaves_the_names_out() -> None:
    points = Points(["P001", "P002"], ["D15", "M3"], ["", ""], ["test", "train"], [GFR], show_ids=False)
    assert "P00" not in "".join(points.hover())
    assert points.hover()[0].startswith("D15<br>")


def test_what_users_wrote_is_escaped() -> None:
    wicked = "<a href='http://x'>"
    site = Colouring(wicked, wicked, "categorical", np.array([wicked], dtype=object))
    text = Points([wicked], [wicked], [wicked], ["test"], [site]).hover()[0]
    assert wicked not in text
    assert text.count("&lt;") >= 4
