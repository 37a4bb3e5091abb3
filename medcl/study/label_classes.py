"""What the numbers in label maps mean: the table `[labels]` of medcl.toml.

[labels]
1 = "right ventricle"
2 = {name = "myocardium", colour = "#009E73"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.settings import read_settings

LABELS_TABLE = "labels"
LARGEST_VALUE = 65535

SHOWN = 8
"""So many unknown values are named."""

LABEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
"""Given to classes that name none, in order: Okabe and Ito's (Color Universal Design, 2008) without black."""


@dataclass(frozen=True)
class LabelClass:
    """One class of a label map; 0 is background and no class.

    Attributes:
        value: the number in the masks, from 1.
        name: for people.
        colour: `#rrggbb`.
    """

    value: int
    name: str
    colour: str


def read_label_classes(study: Study) -> list[LabelClass]:
    """The classes that the study's medcl.toml declares, by value; [] when it declares none.

    Raises:
        BadInput: naming every line of the table that cannot be used.
    """
    table = read_settings(study.root).get(LABELS_TABLE, {})
    problems: list[str] = []
    found = {}
    for key, told in table.items():
        line = f"{study.settings_file}: [{LABELS_TABLE}] {key}"
        value, name, colour = _value(key), *_name_and_colour(told)
        if value is None:
            problems.append(f"{line}: expected a label value from 1 to {LARGEST_VALUE} (0 is background).")
        elif not name:
            problems.append(f'{line}: expected a name, as {key} = "liver" or {key} = {{name = "liver"}}.')
        elif colour and not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
            problems.append(f"{line}: the colour {colour} is none of the form #rrggbb.")
        else:
            found[value] = (name, colour)
    names = [name for name, _ in found.values()]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"{study.settings_file}: [{LABELS_TABLE}] gives two values the name '{name}'." for name in twice]
    if problems:
        raise BadInput(problems)
    return _coloured(found)


def unnamed_classes(values: Iterable[int]) -> list[LabelClass]:
    """Classes for values that nobody has named: "label 1", ..."""
    return _coloured({value: (f"label {value}", "") for value in values})


def classes_to_json(classes: Sequence[LabelClass]) -> list[dict[str, Any]]:
    """Plain types, for a run's card and for tables."""
    return [asdict(each) for each in classes]


def classes_from_json(stored: Sequence[Mapping[str, Any]]) -> list[LabelClass]:
    """The classes that `classes_to_json` wrote."""
    return [LabelClass(int(each["value"]), str(each["name"]), str(each["colour"])) for each in stored]


def refuse_unknown_values(counts: Mapping[int, int], classes: Sequence[LabelClass], where: str) -> None:
    """Refuse label values that are neither background nor declared.

    Args:
        counts: voxels (or images) of each value found.
        classes: that are declared.
        where: what was looked at, as the start of a sentence.

    Raises:
        BadInput: with the count of each unknown value.
    """
    known = {0, *(each.value for each in classes)}
    unknown = {value: count for value, count in sorted(counts.items()) if value not in known}
    if not unknown:
        return
    told = ", ".join(f"{value} ({count:,} voxels)" for value, count in list(unknown.items())[:SHOWN])
    if len(unknown) > SHOWN:
        told += f" and {len(unknown) - SHOWN} more values (is it an image and no mask?)"
    declared = ", ".join(f"{each.value} = {each.name}" for each in classes) or "none"
    raise BadInput(
        f"{where}: holds label values that are not declared: {told}. Declared in medcl.toml [{LABELS_TABLE}]: "
        f"{declared}. Add them there, or correct the mask."
    )


def _coloured(found: Mapping[int, tuple[str, str]]) -> list[LabelClass]:
    return [
        LabelClass(value, name, colour or LABEL_COLOURS[place % len(LABEL_COLOURS)])
        for place, (value, (name, colour)) in enumerate(sorted(found.items()))
    ]


def _value(key: str) -> int | None:
    value = int(key) if re.fullmatch(r"\d{1,5}", key) else 0
    return value if 0 < value <= LARGEST_VALUE else None


def _name_and_colour(told: Any) -> tuple[str, str]:
    if isinstance(told, str):
        return told.strip(), ""
    if isinstance(told, dict) and isinstance(told.get("name"), str) and set(told) <= {"name", "colour"}:
        return told["name"].strip(), str(told.get("colour", ""))
    return "", ""
