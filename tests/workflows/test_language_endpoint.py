"""A server of a language model: what it is sent, and what is said when it answers nonsense, slowly or not at all."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from typing import Any

import pytest

from medcl.study.errors import BadInput, RunFailed
from medcl.workflows import language_endpoint
from medcl.workflows.language_endpoint import LanguageEndpoint
from medcl.workflows.language_model import open_language_model
from tests.workflows.model_server import ModelServer, http_answer, said


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_endpoint, "WAITS", (0.01, 0.01))


def asked(server: ModelServer, *, timeout: float = 5.0, **settings: Any) -> str:
    return LanguageEndpoint(server.url, "m", timeout, **settings).answer("Say it {so}.", 7)


def test_the_answer_comes_and_only_the_text_went(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # no proxy for this machine's own servers
    with ModelServer(lambda *_: said("So {so}.")) as server:
        assert asked(server) == "So {so}."
        endpoint = LanguageEndpoint(server.url.removesuffix("/v1"), None, 5.0)
        assert endpoint.answer("ü", 8) == "So {so}."
    first, second = server.bodies
    assert first == {
        "messages": [{"role": "user", "content": "Say it {so}."}],
        "temperature": 0.8,
        "max_tokens": 2048,
        "model": "m",
        "seed": 7,
    }
    assert "model" not in second
    assert second["messages"][0]["content"] == "ü"
    assert all(sent.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n") for sent in server.sent)
    assert b"Authorization" not in server.sent[0]


def test_the_key_comes_from_the_environment_and_is_never_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LLM_KEY", "sk-topsecret\n")

    def refuse(server: ModelServer, body: dict[str, Any]) -> bytes:
        return http_answer("401 Unauthorized", b'{"error": "Incorrect API key provided: sk-topsecret"}')

    settings: dict[str, Any] = {"model": None, "timeout": 5.0, "device": "auto"}
    with ModelServer(refuse) as server:
        endpoint = open_language_model(None, server.url, key_variable="LLM_KEY", **settings)
        with pytest.raises(RunFailed, match="does not take the key in LLM_KEY") as error:
            endpoint.answer("a", 0)
    assert b"Authorization: Bearer sk-topsecret\r\n" in server.sent[0]
    assert len(server.sent) == 1, "a wrong key stays wrong"
    assert "topsecret" not in str(error.value) + caplog.text + json.dumps(endpoint.card)
    for value in (None, "  ", "sk two", "sk\x07"):
        monkeypatch.delenv("LLM_KEY") if value is None else monkeypatch.setenv("LLM_KEY", value)
        with pytest.raises(BadInput, match="--api-key-env LLM_KEY"):
            open_language_model(None, server.url, key_variable="LLM_KEY", **settings)


def test_a_key_over_plain_http_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    LanguageEndpoint("http://127.0.0.1:1/v1", None, 1.0, key="k")
    LanguageEndpoint("https://models.example/v1", None, 1.0, key="k")
    assert not caplog.records
    LanguageEndpoint("http://models.example/v1", None, 1.0, key="k")
    assert "The key goes unencrypted over the network to models.example" in caplog.text


HTML = http_answer("200 OK", b"<!DOCTYPE html>\n<html><title>Login</title></html>", "Content-Type: text/html")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (HTML, "what is no JSON (<!DOCTYPE html> <html><title>Login</title></html>)"),
        (http_answer("200 OK", b""), "what is no JSON (nothing)"),
        (http_answer("200 OK", b'{"choices": ['), "what is no JSON"),
        (http_answer("200 OK", b'{"choices": []}'), "JSON without an answer in it"),
        (http_answer("200 OK", b'{"choices": [{"text": "old form"}]}'), "JSON without an answer in it"),
        (http_answer("200 OK", b'{"error": {"message": "no model loaded"}}'), "no model loaded"),
        (http_answer("200 OK", b"[1]"), "JSON without an answer in it"),
        (http_answer("200 OK", b"\xff\x00\x1b[31m"), "what is no JSON (???[31m)".replace("???", "\ufffd??")),
        (http_answer("401 Unauthorized", b"key?"), "HTTP 401 (key?). Put its key into an environment variable"),
        (http_answer("404 Not Found", b""), "HTTP 404 (Not Found). Either the address is another"),
        (http_answer("404 Not Found", b"no model m"), "name one of its models with --model"),
        (http_answer("400 Bad Request", b"context too long"), "HTTP 400 (context too long). Check --model."),
        (http_answer("302 Found", b"", "Location: http://evil.example/"), "http://evil.example/: give that yourself"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak HTTP"),
        (http_answer("200 OK", b"x" * (2 << 20)), "does not end"),
    ],
)
def test_nonsense_is_told_at_once(answer: bytes, told: str) -> None:
    with ModelServer(lambda *_: answer) as server:
        with pytest.raises(RunFailed) as error:
            asked(server)
        assert told in str(error.value)
        assert len(server.sent) == 1, "asking again makes no sense"


def test_a_message_without_text_is_an_empty_answer() -> None:
    for content, text in [(None, ""), ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"), (5, "")]:
        with ModelServer(lambda *_, content=content: said(content)) as server:
            assert asked(server) == text


CUT = said("a whole answer")[:-9]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (http_answer("500 Internal Server Error", b"out of memory"), "HTTP 500 (out of memory)"),
        (http_answer("503 Service Unavailable", b"loading", "Retry-After: 0"), "HTTP 503 (loading)"),
        (http_answer("429 Too Many Requests", b"", "Retry-After: soon"), "HTTP 429 (Too Many Requests)"),
        (CUT, "broke off"),
        (None, "broke off"),
    ],
)
def test_a_busy_server_is_asked_again_and_then_given_up(
    trouble: bytes | None, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    def at_last(server: ModelServer, body: dict[str, Any]) -> bytes | None:
        return said("now") if len(server.sent) == 3 else trouble

    with caplog.at_level(logging.INFO), ModelServer(at_last) as server:
        assert asked(server) == "now"
        assert len(set(server.sent)) == 1, "the same request"
    assert caplog.text.count("It is asked again.") == 2
    assert told in caplog.text
    with ModelServer(lambda *_: trouble) as server:
        with pytest.raises(RunFailed, match="It was asked 3 times") as error:
            asked(server)
        assert told in str(error.value)
        assert len(server.sent) == 3


def test_a_server_says_how_long_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(language_endpoint.time, "sleep", slept.append)
    endpoint = LanguageEndpoint("http://127.0.0.1:1", None, 1.0)
    waits = iter([7.0, 5000.0])

    def ask(*_: object) -> str:
        raise language_endpoint._Busy("busy", next(waits, 0.0))

    monkeypatch.setattr(endpoint, "_ask", ask)
    with pytest.raises(RunFailed):
        endpoint.answer("a", 0)
    assert slept == [7.0, language_endpoint.LONGEST_WAIT]


def test_a_slow_server_meets_the_timeout() -> None:
    with ModelServer(lambda *_: said("late"), pause=1.0) as server:
        began = time.monotonic()
        with pytest.raises(RunFailed, match=r"no whole answer within 0\.2 s \(--timeout\).*more time with --timeout"):
            asked(server, timeout=0.2)
        assert time.monotonic() - began < 5
        assert len(server.sent) == 3


def test_an_answer_that_drips_in_meets_the_timeout_too() -> None:
    """Each byte comes in time, the whole does not."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def drip() -> None:
        while True:
            try:
                connection, _ = listening.accept()
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(100):
                    connection.sendall(b" ")
                    time.sleep(0.05)
            except OSError:
                if listening.fileno() < 0:
                    return

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(RunFailed, match="no whole answer within"):
        LanguageEndpoint(url, None, 0.3).answer("a", 0)
    assert time.monotonic() - began < 10
    listening.close()


def test_no_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with ModelServer() as server:
        pass
    with pytest.raises(RunFailed, match=r"nothing answers there \(connection refused\)\. Start the server"):
        asked(server)
    with pytest.raises(RunFailed, match="cannot be reached"):
        LanguageEndpoint("http://no-such-host.invalid/v1", None, 5.0).answer("a", 0)


def test_https_asked_of_a_plain_server_is_told() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listening.accept()
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    threading.Thread(target=answer, daemon=True).start()
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(RunFailed, match=r"encryption is not trusted .* Is it an http address"):
        LanguageEndpoint(url, None, 5.0).answer("a", 0)
    listening.close()


def test_a_setting_that_the_server_does_not_take_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def particular(server: ModelServer, body: dict[str, Any]) -> bytes:
        for name in ("max_tokens", "temperature", "seed"):
            if name in body:
                return http_answer("400 Bad Request", f"Unsupported parameter: '{name}'".encode())
        return said("fine")

    with caplog.at_level(logging.INFO), ModelServer(particular) as server:
        endpoint = LanguageEndpoint(server.url, "m", 5.0)
        assert endpoint.answer("a", 0) == "fine"
        assert endpoint.answer("a", 0) == "fine"
        assert len(server.sent) == 5, "it is learnt once"
    assert "The server does not take max_tokens: it is left out from here on." in caplog.text


@pytest.mark.parametrize(
    ("given", "posted"),
    [
        ("http://a:8000", "http://a:8000/v1/chat/completions"),
        ("https://a/v1/", "https://a/v1/chat/completions"),
        ("https://a/openai/v1/chat/completions", "https://a/openai/v1/chat/completions"),
        ("http://[::1]:80/api", "http://[::1]:80/api/chat/completions"),
    ],
)
def test_addresses(given: str, posted: str) -> None:
    assert language_endpoint._address(given) == posted


@pytest.mark.parametrize(
    "given", ["localhost:8000", "file:///etc/passwd", "http://", "", "http://a:b", "http://a:99999"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="is no address of a server"):
        LanguageEndpoint(given, None, 1.0)


@pytest.mark.parametrize("given", ["http://me:secret@a/v1", "http://a/v1?key=secret", "http://a/v1#secret"])
def test_a_key_in_the_address_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(BadInput, match="--api-key-env") as error:
        LanguageEndpoint(given, None, 1.0)
    assert "secret" not in str(error.value)
