"""The key of the pseudonyms: stable, private, and telling nothing by its numbers."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.pseudonyms import Pseudonyms

IDS = [f"id {number:02d}" for number in range(30)]


def test_every_patient_has_one_and_keeps_it(tmp_path: Path) -> None:
    key = Pseudonyms.read(tmp_path)
    key.add(IDS[:20])
    key.add(IDS)
    assert sorted(key.of.values()) == [f"P{number:03d}" for number in range(1, 31)]
    assert {key.of[each] for each in IDS[20:]} == {f"P{number:03d}" for number in range(21, 31)}
    key.write()
    assert Pseudonyms.read(tmp_path).of == key.of


def test_ids_of_any_form_come_back(tmp_path: Path) -> None:
    key = Pseudonyms.read(tmp_path)
    key.add(['quote "x"', "comma, semicolon; tab", "# hash", "Ümlaut", "007", "NA", "-"])
    key.write()
    assert Pseudonyms.read(tmp_path).of == key.of


def test_numbers_tell_nothing_of_the_order_of_ids(tmp_path: Path) -> None:
    key = Pseudonyms.read(tmp_path)
    key.add(IDS)
    assert [key.of[each] for each in IDS] != sorted(key.of.values())


def test_a_key_without_shuffling_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random.SystemRandom, "shuffle", lambda *_: None)
    key = Pseudonyms.read(tmp_path)
    key.add(IDS)
    assert [key.of[each] for each in IDS] == sorted(key.of.values())


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    key = Pseudonyms.read(tmp_path)
    key.add(IDS)
    file = key.write()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert (file.parent / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("content", ["", "x,y\n1,2\n", "pseudonym,patient\nP001,a\nP001,b\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private/key.csv").write_text(content)
    with pytest.raises(BadInput, match=r"key\.csv"):
        Pseudonyms.read(tmp_path)
