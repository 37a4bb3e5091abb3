"""The table and the card of translations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.translations import CARD, TABLE, TranslatedFile, read_translations, write_translations


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[TranslatedFile]]:
    folder = tmp_path / "study" / "translations" / "ct-mr"
    folder.mkdir(parents=True)
    rows = [
        TranslatedFile(
            case="P1_M3",
            patient="P1",
            exam="M3",
            sequence="",
            split="test",
            image=tmp_path / "study" / "images" / "P1, left.nii.gz",
            translation=folder / "P1_M3.nii.gz",
            unit="HU",
            mutual_information=1.25,
            chance=0.5,
            slice_steps=0.875,
        ),
        TranslatedFile(
            "x", "", "", "", "new", tmp_path / "x.nii", folder / "x.nii.gz", "0..1", 0.0, None, None
        ),
    ]  # fmt: skip
    write_translations(folder, rows, {"run": "ct-mr"})
    return folder, rows


def test_they_come_back_and_the_study_can_be_moved(written: tuple[Path, list[TranslatedFile]], tmp_path: Path) -> None:
    folder, rows = written
    found, card = read_translations(folder)
    assert found == rows
    assert (card["run"], card["format"]) == ("ct-mr", 1)
    assert '"images/P1, left.nii.gz",translations/ct-mr/P1_M3.nii.gz,HU,1.25,0.5,0.875' in (folder / TABLE).read_text()
    (tmp_path / "study").rename(tmp_path / "moved")
    moved = read_translations(tmp_path / "moved" / "translations" / "ct-mr")[0]
    assert moved[0].image == tmp_path / "moved" / "images" / "P1, left.nii.gz"
    assert moved[1].image == tmp_path / "x.nii"


def test_what_cannot_be_read(written: tuple[Path, list[TranslatedFile]]) -> None:
    folder, _ = written
    text = (folder / TABLE).read_text()
    for broken in (text.replace("1.25", "much"), text.replace(",unit", ""), text.replace(",0,,", ",,,")):
        (folder / TABLE).write_text(broken)
        with pytest.raises(BadInput, match="is no translation"):
            read_translations(folder)
    (folder / CARD).write_text(json.dumps({"format": 99}))
    with pytest.raises(BadInput, match="has format 99"):
        read_translations(folder)
    (folder / CARD).write_text("[]")
    with pytest.raises(BadInput, match="no format number"):
        read_translations(folder)
    (folder / CARD).unlink()
    with pytest.raises(BadInput, match="no finished translations"):
        read_translations(folder)
