"""The two files that a person reviews: the rules with the paraphrases that were kept, and a table of all of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medcl.study.paraphrases import Judged
from medcl.study.plural import counted
from medcl.study.prompt_rules import PromptRules
from medcl.study.toml_file import read_toml

COLUMNS = ("template", "attempt", "kept", "text", "reason", "remark", "original")

_FORMULA = ("=", "+", "-", "@")
"""Starts of cells that a spreadsheet would calculate."""


@dataclass(frozen=True)
class Line:
    """One text of the review: of which template (from 1), in which answer (from 1), and what became of it."""

    template: int
    attempt: int
    judged: Judged


def review_table(rules: PromptRules, lines: Sequence[Line]) -> str:
    """The table as CSV, a row for each text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        judged = line.judged
        said = (judged.text, judged.reason, judged.remark, rules.templates[line.template - 1])
        writer.writerow([line.template, line.attempt, "yes" if judged.kept else "no", *map(_cell, said)])
    return text.getvalue()


def _cell(text: str) -> str:
    """Text that a spreadsheet shows and does not calculate; the model wrote it."""
    safe = text.encode("utf-8", errors="replace").decode("utf-8")
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def augmented_rules(rules: PromptRules, lines: Sequence[Line], model: str) -> str:
    """The rules as TOML: every template of before in its place, then the texts that were kept, marked by comments."""
    kept = [line for line in lines if line.judged.kept]
    said = [
        f"# {counted(len(rules.templates), 'template')} of {_one_line(rules.file.name)}, then",
        f"# {counted(len(kept), 'paraphrase')} of them by a language model ({_one_line(model)}).",
        "# Review the paraphrases before use and delete what a physician would not say. Nothing uses this file before",
        "# it is named with --rules.",
        "",
        "templates = [",
        *(f"    {_quoted(template)}," for template in rules.templates),
    ]
    for number in dict.fromkeys(line.template for line in kept):
        said.append(f"    # paraphrases of template {number}, by the model:")
        said += [f"    {_quoted(line.judged.text)}," for line in kept if line.template == number]
    said += ["]"]
    for name, table in read_toml(rules.file, "rules of prompts")["slots"].items():
        said += ["", f"[slots.{_key(name)}]", *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]
    return "\n".join(said) + "\n"


def _value(value: Any) -> str:
    """A TOML value of what a slot's table can hold."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else _quoted(name)


def _quoted(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for the delete sign."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
