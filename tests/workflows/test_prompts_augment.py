"""`medcl prompts augment`: what goes to the model, what is kept for review, and that a stop loses nothing."""

from __future__ import annotations

import csv
import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medcl.study.errors import BadInput, RunFailed, Stopped
from medcl.study.prompt_rules import read_prompt_rules
from medcl.study.prompt_template import slots_of
from medcl.workflows import language_endpoint, paraphrase_job
from medcl.workflows.paraphrase_journal import AnswerJournal
from medcl.workflows.prompts_augment import (
    ANSWERS,
    AUGMENTED,
    REVIEW,
    Augmented,
    PromptsAugmentOptions,
    prompts_augment,
)
from tests.workflows.model_server import ModelServer, good, http_answer, said, template_in

TEMPLATES = (
    "At the {exam} check-up graft function was {gfr}. Site: {site}.",
    "{gfr} function at {exam}, in {site}.",
    'This "quoted" graft of {site} is {gfr} at {exam}.',
)

_RULES = """# of Dr. Quintessa Marrowbone, for KTX-4711
templates = [
TEMPLATES
]
[slots.gfr]
variable = "gfr"
unit = "mL/min/1.73m2"
thresholds = [15, 30.5]
words = ["low", ["medium", "mid-sized"], "high"]
at_threshold = "lower"
[slots.exam]
variable = "exam"
words = { D15 = "fortnight-visit", "M3" = ["quarterly-visit"] }
[slots.site]
variable = "site"
words = { "Saint Ursula Ward" = "ursuline" }
"""
RULES = _RULES.replace("TEMPLATES", "\n".join(f"  {json.dumps(template)}," for template in TEMPLATES))

COHORT = """patient,exam,image,site,gfr [mL/min/1.73m2],physician,birthday
KTX-4711,D15,images/KTX-4711_D15.nii.gz,Saint Ursula Ward,41.7,Marrowbone,1961-04-23
Zebediah-Q,M3,images/Zebediah.nii.gz,Saint Ursula Ward,12.25,Marrowbone,1950-12-31
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_endpoint, "WAITS", (0.01, 0.01))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A study full of patients."""
    study = tmp_path / "study-of-KTX-4711"
    study.mkdir()
    (study / "cohort.csv").write_text(COHORT, encoding="utf-8")
    (study / "clinical.csv").write_text("patient,donor_age\nKTX-4711,71.5\nZebediah-Q,44.5\n", encoding="utf-8")
    (study / "prompts.toml").write_text(RULES, encoding="utf-8")
    return study


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def augment(root: Path, server: ModelServer, **options: Any) -> Augmented:
    given = {"study": root, "llm_url": server.url, "model": "tiny", "paraphrases": 2, "attempts": 4} | options
    return prompts_augment(PromptsAugmentOptions.resolve({name: each for name, each in given.items() if each != ""}))


def review(folder: Path) -> list[dict[str, str]]:
    with (folder / REVIEW).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# what is sent

HEADERS = {
    "accept-encoding": "identity",
    "content-length": None,
    "host": None,
    "content-type": "application/json",
    "accept": "application/json",
    "user-agent": None,
    "connection": "close",
}


def check_sent(sent: list[bytes], templates: tuple[str, ...], cohort: str) -> None:
    """Every byte that was sent is HTTP's, the instruction's, or a template's; no cell of the cohort is among them."""
    cells = {cell for line in cohort.splitlines()[1:] for cell in line.split(",") if len(cell) > 3}
    instructions = set()
    for request in sent:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        assert first == "POST /v1/chat/completions HTTP/1.1"
        headers = dict(line.lower().split(": ", 1) for line in lines)
        assert set(headers) == set(HEADERS)
        assert all(value is None or headers[name] == value for name, value in HEADERS.items())
        assert headers["user-agent"].startswith("medcl/")
        assert int(headers["content-length"]) == len(body), "no byte after the request"
        content = json.loads(body)
        assert content.keys() == {"messages", "model", "seed", "temperature", "max_tokens"}
        assert (content["model"], content["temperature"], content["max_tokens"]) == ("tiny", 0.8, 2048)
        assert isinstance(content["seed"], int)
        assert json.dumps(content).encode() == body, "nothing hides between the parts"
        (message,) = content["messages"]
        assert message.keys() == {"role", "content"}
        assert message["role"] == "user"
        template = template_in(content)
        assert template in templates
        slots = ", ".join(f"{{{slot}}}" for slot in slots_of(template))
        instructions.add(message["content"].removesuffix(template).replace(slots, "..."))
        for cell in cells | {"Quintessa", "ursuline", "fortnight-visit", "30.5", "study-of", "birthday"}:
            assert cell.encode() not in request, cell
    assert len(instructions) == 1, "the same words around every template"
    assert {template_in(body) for body in map(json.loads, (each.partition(b"\r\n\r\n")[2] for each in sent))} == set(
        templates
    )


def test_what_is_sent_is_the_templates_and_nothing_of_patients(root: Path, server: ModelServer) -> None:
    augment(root, server)
    check_sent(server.sent, read_prompt_rules(root / "prompts.toml").templates, COHORT)
    instruction = server.bodies[0]["messages"][0]["content"].removesuffix(template_in(server.bodies[0]))
    assert instruction == (
        "Below is one template for texts about patients. A program will later put words into its slots, which stand in "
        "curly braces. Write the template once more in other words, as another physician might, with the same meaning."
        "\n\n"
        "- Keep every slot exactly as it is written, with its braces, each of them once: {exam}, {gfr}, {site}\n"
        "- Put nothing in the place of a slot, and add no number and no finding.\n"
        "- Keep apart what the template says in separate sentences.\n"
        "- Answer with the new template alone, in one line.\n\n"
    )


@pytest.mark.parametrize("leak", ["KTX-4711", "ursuline", "12.25", "hello"])
def test_a_patient_that_is_sent_would_be_seen(
    root: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    """The broken twin: a request with an id, a slot's word, a value, or any other word for one of the templates."""
    whole = paraphrase_job.request_text

    def leaking(template: str) -> str:
        text = whole(template)
        return text if template.startswith("At") else text.replace("Below is", f"Of {leak}: below is")

    monkeypatch.setattr(paraphrase_job, "request_text", leaking)
    augment(root, server)
    with pytest.raises(AssertionError, match="the same words around" if leak == "hello" else leak):
        check_sent(server.sent, read_prompt_rules(root / "prompts.toml").templates, COHORT)


_opened: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


def opened_by(work: Callable[[], object]) -> list[str]:
    """Names of the files that are opened meanwhile."""
    global _opened
    if not getattr(sys, "_medcl_opened", False):
        sys.addaudithook(_note)
        sys._medcl_opened = True  # type: ignore[attr-defined]
    _opened = []
    try:
        work()
        return [Path(name).name for name in _opened]
    finally:
        _opened = None


def test_no_table_of_the_study_is_opened(root: Path, server: ModelServer) -> None:
    opened = opened_by(lambda: augment(root, server))
    assert "prompts.toml" in opened
    assert not {"cohort.csv", "clinical.csv"} & set(opened)
    assert "cohort.csv" in opened_by(lambda: (root / "cohort.csv").read_bytes()), "an opened table would be seen"


# what is written


def test_rules_with_paraphrases_and_the_review_are_written(root: Path) -> None:
    def mixed(server: ModelServer, body: dict[str, Any]) -> bytes:
        if len(server.sent) == 1:
            return said("=HYPERLINK(0) of {gfr}")
        return good(server, body)

    with ModelServer(mixed) as server:
        done = augment(root, server)
    assert done.kept == (2, 2, 2)
    assert (done.wanted, done.refused, done.asked) == (2, 1, 7)
    before, after = read_prompt_rules(root / "prompts.toml"), read_prompt_rules(done.rules)
    assert after.templates[:3] == before.templates, "every template keeps its place"
    assert after.slots == before.slots
    rows = review(root)
    assert after.templates[3:] == tuple(row["text"] for row in rows if row["kept"] == "yes")
    assert len(rows) == 7
    assert rows[0] == {
        "template": "1",
        "attempt": "1",
        "kept": "no",
        "text": "'=HYPERLINK(0) of {gfr}",
        "reason": "lacks {exam}; lacks {site}; adds a number: '=', '0'",
        "remark": "",
        "original": TEMPLATES[0],
    }
    text = done.rules.read_text(encoding="utf-8")
    assert text.startswith("# 3 templates of prompts.toml, then\n# 6 paraphrases of them by a language model (tiny).\n")
    for number in (1, 2, 3):
        assert f"    # paraphrases of template {number}, by the model:\n" in text
    assert tomllib.loads(text)["slots"] == tomllib.loads(RULES)["slots"]


def test_strange_signs_survive_the_way_through_toml(root: Path) -> None:
    def strange(server: ModelServer, body: dict[str, Any]) -> bytes:
        return said(f'"Ärzte" \\ # \' é 文: {{gfr}} – {{exam}} [{{site}}] {chr(97 + len(server.sent))}')

    with ModelServer(strange) as server:
        done = augment(root, server, paraphrases=1)
    assert done.kept == (1, 1, 1)
    assert [row["text"] for row in review(root)] == list(read_prompt_rules(done.rules).templates[3:])


def test_other_rules_and_another_folder(root: Path, server: ModelServer, tmp_path: Path) -> None:
    (root / "prompts.toml").unlink()
    done = augment(root, server, paraphrases=1, out=tmp_path / "new" / "here")
    assert len(done.kept) == len(read_prompt_rules().templates), "the shipped ones"
    assert read_prompt_rules(done.rules).slots == read_prompt_rules().slots
    assert done.rules.parent == tmp_path / "new" / "here"
    (root / "mine.toml").write_text(RULES, encoding="utf-8")
    assert augment(root, server, rules=root / "mine.toml").kept == (2, 2, 2)
    again = augment(root, server, rules=root / AUGMENTED, out=tmp_path / "twice", paraphrases=1)
    assert len(again.kept) == 9, "what was reviewed can be said anew"


def test_paraphrases_and_attempts_bound_the_answers(root: Path) -> None:
    with ModelServer(lambda server, body: said("nothing of it")) as server:
        with pytest.raises(RunFailed, match=r"None of 12 texts can be used; .*prompts-review.csv says why of each"):
            augment(root, server)
        assert len(server.sent) == 3 * 4
    assert len(review(root)) == 12
    assert not (root / AUGMENTED).exists()

    def many(server: ModelServer, body: dict[str, Any]) -> bytes:
        lines = [f"{word}: {{gfr}} {{exam}} {{site}} {'x' * len(server.sent)}" for word in ("a", "b", "c")]
        return said("\n".join(lines))

    with ModelServer(many) as server:
        assert augment(root, server, overwrite=True).kept == (2, 2, 2)
        assert len(server.sent) == 3
    assert [row["reason"] for row in review(root)][2] == "is one more than 2 (--paraphrases)"


def test_the_seed_decides_what_is_asked(root: Path, tmp_path: Path) -> None:
    seeds = []
    for number, seed in enumerate((0, 0, 1)):
        with ModelServer() as server:
            augment(root, server, seed=seed, out=tmp_path / str(number))
        seeds.append([body["seed"] for body in server.bodies])
    assert seeds[0] == seeds[1]
    assert not set(seeds[0]) & set(seeds[2])
    assert len(set(seeds[0])) == 6, "each request has its own"
    assert all(0 <= seed < 2**31 for seed in seeds[0])


# a stop loses nothing


def failing_after(count: int) -> Callable[[ModelServer, dict[str, Any]], bytes]:
    def reply(server: ModelServer, body: dict[str, Any]) -> bytes:
        return good(server, body) if len(server.sent) <= count else http_answer("401 Unauthorized", b"expired")

    return reply


def test_a_job_that_stopped_goes_on_and_ends_as_one_that_did_not(root: Path, tmp_path: Path) -> None:
    with ModelServer() as server:
        augment(root, server, out=tmp_path / "whole")
    whole = server.bodies
    told = r"expired[\s\S]*3 answers are kept in .*prompts-answers.jsonl: go on with"
    with ModelServer(failing_after(3)) as server, pytest.raises(RunFailed, match=told):
        augment(root, server)
    assert not (root / AUGMENTED).exists()
    with ModelServer() as server:
        with pytest.raises(BadInput, match=r"Go on with --resume \(answers stay\), start again with --overwrite"):
            augment(root, server)
        assert not server.sent
        done = augment(root, server, resume=True)
        assert server.bodies == whole[3:], "what is there is not asked again"
        assert done.asked == 3
        for name in (AUGMENTED, REVIEW):
            assert (root / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert augment(root, server, resume=True).asked == 0
    assert len(server.sent) == 3


def test_a_stop_by_the_keyboard_and_a_line_cut_in_two(root: Path) -> None:
    with ModelServer(failing_after(2)) as server, pytest.raises(RunFailed):
        augment(root, server)
    journal = root / ANSWERS
    kept = journal.read_bytes()
    journal.write_bytes(kept + b'{"template": "At the {ex')  # killed while writing

    class Interrupted:
        card = json.loads(kept.splitlines()[0])["job"]["model"]

        def answer(self, text: str, seed: int) -> str:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcl.workflows.language_model.open_language_model", lambda *_, **__: Interrupted())
        with pytest.raises(Stopped, match="2 answers are kept"):
            augment(root, server, resume=True)
    assert journal.read_bytes() == kept
    with ModelServer() as server:
        assert augment(root, server, resume=True).asked == 4


def test_more_can_be_asked_for_later(root: Path, server: ModelServer, caplog: pytest.LogCaptureFixture) -> None:
    augment(root, server)
    with caplog.at_level("INFO"):
        done = augment(root, server, resume=True, paraphrases=3)
    assert (done.kept, done.asked) == ((3, 3, 3), 3)
    assert "Changed since: --paraphrases was 2, now it is 3." in caplog.text
    assert len(review(root)) == 9


def test_changed_rules_are_told_and_their_answers_kept_or_asked(
    root: Path, server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    augment(root, server)
    text = RULES.replace(TEMPLATES[1], "In {site}, {exam}: {gfr}.").replace('"low", [', '"poor", [')
    (root / "prompts.toml").write_text(text, encoding="utf-8")
    with ModelServer() as moved, caplog.at_level("INFO"):
        done = augment(root, moved, resume=True)
        assert (done.kept, done.asked) == ((2, 2, 2), 2), "only the new template is asked"
        assert {template_in(body) for body in moved.bodies} == {"In {site}, {exam}: {gfr}."}
    for told in (
        "1 template came to the rules, such as 'In {site}, {exam}: {gfr}.'",
        f"1 template left the rules, with the answers to it: '{TEMPLATES[1]}'",
        "slots of the rules; all answers are judged again.",
        f"--llm-url was {server.url}, now it is {moved.url}.",
    ):
        assert told in caplog.text
    assert "poor" in (root / AUGMENTED).read_text()


def test_another_model_or_seed_is_another_job(root: Path, server: ModelServer) -> None:
    augment(root, server)
    with pytest.raises(BadInput) as error:
        augment(root, server, resume=True, model="large", seed=4)
    said_ = "\n".join(error.value.problems)
    assert "--resume: model was tiny, now it is large." in said_
    assert "--resume: --seed was 0, now it is 4." in said_
    (root / "prompts.toml").write_text(RULES.replace("{gfr}", "the {gfr}"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"no template of .* was asked before"):
        augment(root, server, resume=True)


def test_a_review_is_not_written_over(root: Path, server: ModelServer) -> None:
    augment(root, server)
    file = root / AUGMENTED
    reviewed = file.read_text() + "# reviewed\n"
    file.write_text(reviewed)
    with pytest.raises(BadInput, match=r"prompts-augmented.toml in .* changed since medcl wrote it \(reviewed\?\)"):
        augment(root, server, resume=True, paraphrases=3)
    with pytest.raises(BadInput, match=r"holds prompts-augmented.toml and prompts-review.csv and prompts-answers"):
        augment(root, server)
    assert file.read_text() == reviewed
    file.rename(root / "prompts-reviewed.toml")
    assert augment(root, server, resume=True, paraphrases=3).kept == (3, 3, 3)


def test_starting_again_keeps_the_old_until_the_model_answers(root: Path, server: ModelServer) -> None:
    augment(root, server)
    before = {name: (root / name).read_bytes() for name in (AUGMENTED, REVIEW, ANSWERS)}
    with ModelServer(failing_after(0)) as silent, pytest.raises(RunFailed):
        augment(root, silent, overwrite=True)
    assert {name: (root / name).read_bytes() for name in before} == before
    with ModelServer(failing_after(1)) as broken, pytest.raises(RunFailed, match="1 answer is kept"):
        augment(root, broken, overwrite=True)
    assert not (root / AUGMENTED).exists(), "it was of other answers"
    assert augment(root, server, overwrite=True, seed=3).kept == (2, 2, 2)


def test_a_model_that_never_answered_leaves_nothing(root: Path) -> None:
    there = sorted(root.iterdir())
    with ModelServer(failing_after(0)) as server:
        with pytest.raises(RunFailed, match="HTTP 401"):
            augment(root, server)
        server.stop()
        with pytest.raises(RunFailed, match="connection refused"):
            augment(root, server)
    assert sorted(root.iterdir()) == there


def test_two_jobs_do_not_write_one_journal(root: Path, server: ModelServer) -> None:
    pytest.importorskip("fcntl")
    with (
        AnswerJournal(root / ANSWERS),
        pytest.raises(BadInput, match="another `medcl prompts augment` writes here"),
    ):
        augment(root, server)


@pytest.mark.parametrize("line", ["no JSON", "[]", '{"template": "a"}', '{"job": 4}'])
def test_a_journal_that_is_none_is_refused(root: Path, server: ModelServer, line: str) -> None:
    (root / ANSWERS).write_text(f'{{"job": {{}}}}\n{line}\n')
    with pytest.raises(BadInput, match=r"prompts-answers.jsonl, line 2: is no answer that medcl wrote"):
        augment(root, server, resume=True)
    assert augment(root, server, overwrite=True).asked == 6


# the options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"llm_url": ""}, "Give a language model: --llm PATH"),
        ({"llm": "m.gguf"}, "Give a language model: --llm PATH"),
        ({"llm": "m.gguf", "llm_url": ""}, "--model is of a server"),
        ({"resume": True, "overwrite": True}, "give one of them"),
        ({"resume": True}, "there are no answers to go on with"),
        ({"rules": "gone.toml"}, "gone.toml: no such file"),
        ({"paraphrases": "0"}, "--paraphrases: got '0'"),
        ({"timeout": "nan"}, "--timeout: got 'nan'"),
        ({"out": "cohort.csv"}, "is a file; give a folder"),
    ],
)
def test_bad_options_are_told(
    root: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(BadInput) as error:
        augment(root, server, **options)
    assert told in str(error.value)
    assert not server.sent


def test_a_key_instead_of_a_name_is_not_repeated(root: Path, server: ModelServer) -> None:
    with pytest.raises(BadInput, match="takes the name of an environment variable") as error:
        augment(root, server, api_key_env="sk-12345")
    assert "12345" not in str(error.value)


def test_settings_of_the_study_hold(root: Path) -> None:
    options = PromptsAugmentOptions.resolve({"study": root, "llm_url": "http://a"})
    assert (options.paraphrases, options.attempts, options.timeout, options.seed) == (5, 20, 120.0, 0)
    assert options.section == "prompts.augment"


def test_what_is_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from medcl.cli.prompts_augment import summary

    summary(Augmented(root / AUGMENTED, root / REVIEW, (2, 1, 0), 2, 1234, 7, 3.4))
    printed = capsys.readouterr().out
    assert "3 paraphrases of 3 templates kept, 1,234 refused (7 answers asked, 3 s)." in printed
    assert "Fewer than 2 of template 2 (1), 3 (0): more with --resume and higher --attempts." in printed
    assert f"medcl prompts preview --rules {root / AUGMENTED}" in printed


def test_the_door_takes_the_options() -> None:
    import typer.testing

    from medcl.cli.prompts_augment import command

    app = typer.Typer()
    app.command("augment")(command)
    shown = typer.testing.CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for flag in ("--rules", "--llm", "--llm-url", "--model", "--api-key-env", "--attempts", "--resume", "--out"):
        assert flag in shown
