"""The key by which an image need not be prepared twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.imaging.found_region import FoundRegion
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.study.errors import BadInput


def test_everything_that_decides_the_result_is_in_the_key(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    (tmp_path / "a2").write_text("a")
    image, mask, other, same = (tmp_path / name for name in ("a", "b", "c", "a2"))
    plain, centred = Recipe(), Recipe(roi="centre")
    keys = [
        Source(image).read().key(plain),
        Source(other).read().key(plain),
        Source(image, mask).read().key(plain),
        Source(image, other).read().key(plain),
        Source(image).read().key(Recipe(size=(1, 1, 1))),
        Source(image, None, (1.0, 2.0, 3.0)).read().key(centred),
        Source(image, None, (1.0, 2.0, 4.0)).read().key(centred),
    ]
    assert len(set(keys)) == len(keys)
    assert Source(same).read().key(plain) == keys[0], "a file may be moved"
    assert Source(image, None, (1.0, 2.0, 3.0)).read().key(plain) == keys[0], "the centre is not used"
    found = Source(image, found=FoundRegion(((0.0, 0.0, 0.0),))).read()
    assert found.key(plain) == keys[0], "what was found follows from the image and the recipe"
    assert found.key(Recipe(roi="run:a", roi_weights="1")) != found.key(Recipe(roi="run:a", roi_weights="2"))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(BadInput, match="gone: no such file"):
        Source(tmp_path / "a", tmp_path / "gone").read()
