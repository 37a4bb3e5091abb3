"""Copies across a split: train goes first, then val; afterwards the leakage gate lets the rest pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest

from medcl.study.copies import leave_out_copies
from medcl.study.errors import BadInput
from medcl.study.leakage import check_images


@dataclass(frozen=True)
class Image:
    case: str
    content: str

    @property
    def patient(self) -> str:
        return self.case


def split(**contents: str) -> tuple[list[Image], dict[str, str]]:
    """Images of one letter each: split(train="abc", test="a")."""
    images = [Image(f"{side}-{n}", letter) for side, letters in contents.items() for n, letter in enumerate(letters)]
    return images, {image.case: image.case.split("-")[0] for image in images}


@pytest.mark.parametrize(
    ("contents", "out"),
    [
        ({"train": "abc", "val": "de", "test": "f"}, set()),
        ({"train": "abc", "val": "bd", "test": "f"}, {"train-1"}),
        ({"train": "abb", "val": "bd", "test": "f"}, {"train-1", "train-2"}),
        ({"train": "abc", "val": "de", "test": "c"}, {"train-2"}),
        ({"train": "abc", "val": "dc", "test": "d"}, {"train-2", "val-0"}),
        ({"train": "abc", "val": "ac", "test": "a"}, {"train-0", "val-0", "train-2"}),
        ({"train": "aa", "val": "bb", "test": "cc"}, set()),
    ],
)
def test_the_side_that_is_kept_first_keeps_the_image(contents: dict[str, str], out: set[str]) -> None:
    images, sides = split(**contents)
    found, notes = leave_out_copies(images, sides)
    assert found == out
    assert bool(notes) == bool(out)
    if out:
        with pytest.raises(BadInput, match="same image content"):
            check_images(images, sides)
    check_images([image for image in images if image.case not in found], sides)


def test_a_twin_that_leaves_out_one_copy_only_does_not_pass_the_gate() -> None:
    def one_only(images: Iterable[Image], sides: Mapping[str, str]) -> set[str]:
        return {min(leave_out_copies(images, sides)[0])}

    images, sides = split(train="abb", val="b")
    left = one_only(images, sides)
    with pytest.raises(BadInput, match="same image content"):
        check_images([image for image in images if image.case not in left], sides)


def test_the_notes_count_and_name() -> None:
    images, sides = split(train="abcdee", val="abcdeq", test="q")
    notes = leave_out_copies(images, sides)[1]
    assert notes == [
        "6 images of train (5 different ones) stand in val too and are left out of train, so that val stays whole: "
        "train-0, train-1, train-2 and 3 more",
        "1 image of val stands in test too and is left out of val, so that test stays whole: val-5",
    ]


def test_images_of_no_side_do_not_count() -> None:
    images, sides = split(train="ab", val="c")
    assert leave_out_copies([*images, Image("other", "a")], sides) == (set(), [])


def test_the_order_of_the_images_does_not_matter() -> None:
    images, sides = split(train="abcde", val="ab", test="cb")
    assert leave_out_copies(images[::-1], sides) == leave_out_copies(images, sides)
