"""Paraphrases of prompt templates by a language model: which are kept, and why the others are not.

A language model is asked for other wordings of a template (the text augmentation of MEDIMP, Milecki et al., MIDL 2023)
and answers what it likes. An answer is kept only when every slot of its template is there exactly once and no other,
nothing numeric was added, the text is new, and it is short enough for a prompt. Number words are known in English.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from medcl.study.prompt_rules import PromptRules
from medcl.study.prompt_template import fill, sentences_of, slots_of, without_slots

LONGEST = 50
"""Words and punctuation marks of a prompt, longest words in its slots: text encoders take 77 tokens, some 1.5 each."""

_NUMBER_WORD = re.compile(
    "(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    "twent(?:y|ie)|thirt(?:y|ie)|fort(?:y|ie)|(?:fif|six|seven|eigh|nine)t(?:y|ie)|hundred|thousand|[mb]illion|dozen|"
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|half|halve|quarter|twice|thrice|doubled?|"
    "tripled?|(?:two|three|four|five|ten)fold|cent|percent(?:age)?)s?"
)
_SIGNS = frozenset("%‰<>≤≥±=≈~×^°")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+|[^\w\s]|_")
_ROMAN = re.compile(r"(?=.)X{0,3}(?:IX|IV|V?I{0,3})")

_TASK = ("paraphras", "rephras", "rewrit", "reword", "template", "placeholder", "curly", "language model")
"""Beginnings of words that speak of the task and not of a patient."""

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_MARK = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_LABEL = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here(?:['’]s| is| are)|paraphrased?|rewritten|rephrased|answer|output|"
    r"version|template)\b[^:{}]{0,80}:\s+",
    re.IGNORECASE,
)
_LOOSE = re.compile(r"\{\s*([^{}]*?)\s*\}")
_QUOTES = ('""', "''", "“”", "‘’", "«»", "„“")


@dataclass(frozen=True)
class Judged:
    """What became of one text.

    Attributes:
        text: as it would stand among the templates.
        reason: why it is refused; "" when it is kept.
        remark: what a reviewer should know of one that is kept.
    """

    text: str
    reason: str
    remark: str = ""

    @property
    def kept(self) -> bool:
        """Whether it may be used once a person has read it."""
        return not self.reason


def candidates_of(answer: str) -> tuple[str, ...]:
    """The texts in an answer, one a line, without what models write around them.

    Numbers of a list, quotation marks, Markdown, `Here is a paraphrase:` and thoughts in <think> go; nothing inside a
    text is changed. An answer without text is one empty candidate.
    """
    lines = (_bare(line) for line in _THOUGHT.sub("\n", answer).splitlines())
    return tuple(line for line in lines if line) or ("",)


def _bare(line: str) -> str:
    text = " ".join(line.replace("**", "").replace("`", "").split())
    text = _LABEL.sub("", _MARK.sub("", text))
    for quotes in _QUOTES:
        if len(text) > 1 and text[0] + text[-1] == quotes and not set(quotes) & set(text[1:-1]):
            text = text[1:-1].strip()
    return _LOOSE.sub(r"{\1}", text)


class Paraphrases:
    """Judges texts one after the other, since each kept one makes the next that says the same refused."""

    def __init__(self, rules: PromptRules) -> None:
        self._rules = rules
        self._known = {_likeness(text): f"template {number}" for number, text in enumerate(rules.templates, start=1)}

    def judge(self, template: str, text: str) -> Judged:
        """Keep or refuse a text.

        Args:
            template: that it is to say in other words, one of the rules'.
            text: as `candidates_of` gives it.
        """
        if not text:
            return Judged(text, "empty")
        if not text.isprintable():
            return Judged(text, "has signs that cannot be seen")
        problems = [*_slot_problems(template, text), *_added_numbers(template, text), *_task_words(template, text)]
        known = self._known.get(_likeness(text))
        if known:
            problems.append(f"is not new: case, spaces and punctuation aside it is {known}")
        problems += self._too_long(template, text)
        if problems:
            return Judged(text, "; ".join(problems))
        self._known[_likeness(text)] = "a paraphrase that was kept before"
        return Judged(text, "", _joined(template, text))

    def _too_long(self, template: str, text: str) -> list[str]:
        limit = max(LONGEST, self._length(template))
        length = self._length(text)
        if length <= limit:
            return []
        return [f"is too long for a prompt: {length} words and punctuation marks, at most {limit}"]

    def _length(self, text: str) -> int:
        """Words and punctuation marks with the longest words in the slots."""
        slots = self._rules.slots
        words = {
            name: max((word for entry in slots[name].entries for word in entry), key=_pieces)
            for name in slots_of(text)
            if name in slots
        }
        return _pieces(fill(text, words).text or without_slots(text))


def _pieces(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def _likeness(text: str) -> str:
    """The form in which texts are compared: slots and words, no case, spaces or punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"[\w{}]+", folded))


def _slot_problems(template: str, text: str) -> list[str]:
    wanted, found = slots_of(template), Counter(slots_of(text))
    problems = [f"lacks {{{slot}}}" for slot in wanted if slot not in found]
    problems += [f"has {{{slot}}} {found[slot]} times" for slot in wanted if found[slot] > 1]
    problems += [f"has {{{slot}}}, which is no slot of the template" for slot in found if slot not in wanted]
    if set("{}") & set(without_slots(text)):
        problems.append("has a brace without its partner")
    return problems


def _added_numbers(template: str, text: str) -> list[str]:
    added = Counter(_numbers(text)) - Counter(_numbers(template))
    return [f"adds a number: {', '.join(repr(each) for each in added)}"] if added else []


def _numbers(text: str) -> list[str]:
    """What is numeric outside the slots: digits, number words, Roman numerals, signs such as % and <."""
    return [part.casefold() for part in _NUMBER.findall(_LOOSE.sub(" ", text)) if _is_numeric(part)]


def _is_numeric(part: str) -> bool:
    if _NUMBER_WORD.fullmatch(part.casefold()) or part in _SIGNS:
        return True
    if part != "I" and _ROMAN.fullmatch(part):  # I is a person here, and II a stage
        return True
    return any(sign.isnumeric() for sign in part)


def _task_words(template: str, text: str) -> list[str]:
    said, there = without_slots(text).casefold(), without_slots(template).casefold()
    words = [word for word in _TASK if word in said and word not in there]
    return [f"speaks of the task: '{words[0]}...'"] if words else []


def _joined(template: str, text: str) -> str:
    """Slots that had sentences of their own and now share one, which is dropped when one of their values is missing."""
    place = {slot: number for number, sentence in enumerate(sentences_of(template)) for slot in slots_of(sentence)}
    for sentence in sentences_of(text):
        slots = slots_of(sentence)
        if len({place[slot] for slot in slots}) > 1:
            return f"one sentence now says {' and '.join(f'{{{slot}}}' for slot in slots)}: without one value all go"
    return ""
