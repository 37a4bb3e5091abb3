"""The answers of one call of `medcl prompts augment`: those of before, and those that are missing."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from medcl.study.errors import BadInput, MedclError, Stopped
from medcl.study.paraphrases import Judged, Paraphrases, candidates_of
from medcl.study.plural import counted
from medcl.study.prompt_rules import PromptRules
from medcl.workflows.language_model import LanguageModel
from medcl.workflows.paraphrase_files import Line
from medcl.workflows.paraphrase_journal import AnswerJournal
from medcl.workflows.paraphrase_request import REQUEST, request_seed, request_text
from medcl.workflows.progress import Step, progress

if TYPE_CHECKING:
    from medcl.workflows.prompts_augment import PromptsAugmentOptions

log = logging.getLogger("medcl")


class ParaphraseJob:
    """The answers of one call: those of the journal, and those that are missing."""

    def __init__(
        self, rules: PromptRules, model: LanguageModel, options: PromptsAugmentOptions, journal: AnswerJournal
    ) -> None:
        self._rules, self._model, self._options, self._journal = rules, model, options, journal
        slots = repr(sorted((name, repr(slot)) for name, slot in rules.slots.items()))
        self._card: dict[str, Any] = {
            "model": model.card,
            "seed": options.seed,
            "request": _digest(REQUEST),
            "paraphrases": options.paraphrases,
            "attempts": options.attempts,
            "rules": {"file": str(rules.file), "templates": list(rules.templates), "slots": _digest(slots)},
        }

    def compare(self) -> None:
        """Tell what changed since the answers of before.

        Raises:
            BadInput: another model or seed, or rules with other templates altogether: that is another job.
        """
        before, now = self._journal.job, self._card
        model = {**before.get("model", {})}
        problems = [
            f"--resume: {name} was {model.get(name)}, now it is {now['model'].get(name)}."
            for name in sorted({*model, *now["model"]} - {"url"})
            if model.get(name) != now["model"].get(name)
        ]
        if before.get("seed") != now["seed"]:
            problems.append(f"--resume: --seed was {before.get('seed')}, now it is {now['seed']}.")
        told = before.get("rules", {})
        if not set(self._journal.templates) & set(self._rules.templates):
            problems.append(
                f"--resume: no template of {self._rules.file} was asked before; the answers are of those of "
                f"{told.get('file')}: give that with --rules."
            )
        if problems:
            raise BadInput([*problems, "Give what was given before, or start again with --overwrite or another --out."])
        for change in self._changes(before, told):
            log.info(f"Changed since: {change}")

    def _changes(self, before: dict[str, Any], told: dict[str, Any]) -> list[str]:
        now = self._card
        changes = [
            f"{what} was {before.get(name)}, now it is {now[name]}."
            for name, what in (("paraphrases", "--paraphrases"), ("attempts", "--attempts"))
            if before.get(name) != now[name]
        ]
        url = before.get("model", {}).get("url")
        if url != now["model"].get("url"):
            changes.append(f"--llm-url was {url}, now it is {now['model'].get('url')}.")
        if before.get("request") != now["request"]:
            changes.append("what the model is asked, by another version of medcl; answers of before stay.")
        new = [each for each in self._rules.templates if each not in told.get("templates", [])]
        gone = [each for each in told.get("templates", []) if each not in self._rules.templates]
        if new:
            changes.append(f"{counted(len(new), 'template')} came to the rules, such as '{new[0]}'.")
        if gone:
            changes.append(f"{counted(len(gone), 'template')} left the rules, with the answers to it: '{gone[0]}'.")
        if told.get("slots") != now["rules"]["slots"]:
            changes.append("slots of the rules; all answers are judged again.")
        return changes

    def lines(self) -> tuple[list[Line], int]:
        """Every text of every answer, and how many answers were asked now.

        Raises:
            RunFailed, Stopped: with how to go on.
        """
        judge, lines, before = Paraphrases(self._rules), list[Any](), len(self._journal)
        total = len(self._rules.templates) * self._options.attempts
        try:
            with progress("Paraphrasing", total, unit="answers") as step:
                for number, template in enumerate(self._rules.templates, start=1):
                    lines += self._of_template(number, template, judge, step)
        except KeyboardInterrupt:
            raise Stopped(f"Stopped by the keyboard.{self._kept()}") from None
        except MedclError as error:
            if not len(self._journal):
                raise
            raise type(error)([*error.problems, self._kept().strip()]) from error
        return lines, len(self._journal) - before

    def _of_template(self, number: int, template: str, judge: Paraphrases, step: Step) -> list[Line]:
        lines: list[Line] = []
        kept = 0
        for attempt in range(1, self._options.attempts + 1):
            if kept == self._options.paraphrases:
                step(self._options.attempts - attempt + 1, f"template {number}, {kept} kept")
                break
            for text in candidates_of(self._answer(template, attempt)):
                if kept == self._options.paraphrases:
                    judged = Judged(text, f"is one more than {kept} (--paraphrases)")
                else:
                    judged = judge.judge(template, text)
                kept += judged.kept
                lines.append(Line(number, attempt, judged))
            step(1, f"template {number}, {kept} kept")
        return lines

    def _answer(self, template: str, attempt: int) -> str:
        answer = self._journal.answer(template, attempt)
        if answer is None:
            answer = self._model.answer(request_text(template), request_seed(self._options.seed, template, attempt))
            self._journal.add(template, attempt, answer, self._card)
        return answer

    def _kept(self) -> str:
        count = len(self._journal)
        if not count:
            return " No answer had come."
        verb = "is" if count == 1 else "are"
        where = f" {counted(count, 'answer')} {verb} kept in {self._journal.file}"
        return f"{where}: go on with the same command and --resume."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
