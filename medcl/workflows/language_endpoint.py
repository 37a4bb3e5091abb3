"""A language model behind an OpenAI-compatible server: POST .../chat/completions, by the standard library alone."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import medcl
from medcl.study.errors import BadInput, RunFailed
from medcl.workflows.language_model import TEMPERATURE

PATH = "/chat/completions"

WAITS = (1.0, 4.0)
"""Seconds before a request is sent again; after as many as there are the job stops."""

LONGEST_WAIT = 60.0
"""Seconds that a server may ask to wait (Retry-After)."""

BUSY = (408, 425, 429, 500, 502, 503, 504)
"""HTTP states after which the same request may well be answered."""

MOST_TOKENS = 2048
"""Of an answer; models that think aloud need many."""

MOST_BYTES = 1 << 20
"""Of an answer; a longer one is none."""

_SHOWN = 200
_LOCAL = ("localhost", "127.0.0.1", "::1")

log = logging.getLogger("medcl")


class _Busy(Exception):
    """No answer, but the next try may have one; with a sentence, and the seconds that the server asks to wait."""

    def __init__(self, told: str, wait: float = 0.0) -> None:
        super().__init__(told)
        self.wait = wait


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key would go to whoever the server names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class LanguageEndpoint:
    """A model on a server. Nothing is sent before the first `answer`."""

    def __init__(self, url: str, model: str | None, timeout: float, *, key: str = "", key_variable: str = "") -> None:
        """
        Args:
            url: of the server's OpenAI-compatible interface, with or without /chat/completions.
            model: its name there; None where the server has only one.
            timeout: seconds for one answer.
            key: sent as bearer token.
            key_variable: where it came from, for messages.

        Raises:
            BadInput: the address is none.
        """
        self._address = _address(url)
        self._model, self._timeout = model, timeout
        self._key, self._key_variable = key, key_variable
        self._settings: dict[str, Any] = {"temperature": TEMPERATURE, "max_tokens": MOST_TOKENS}
        self._seeded = True
        host = urlsplit(self._address).hostname or ""
        if key and self._address.startswith("http://") and host not in _LOCAL:
            log.warning(f"The key goes unencrypted over the network to {host}: use an https address if there is one.")
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if host in _LOCAL:
            handlers.append(urllib.request.ProxyHandler({}))  # a proxy cannot know this machine's own servers
        self._opener = urllib.request.build_opener(*handlers)

    @property
    def card(self) -> dict[str, Any]:
        """Where the model is, and which."""
        return {"url": self._address.removesuffix(PATH), "model": self._model, "temperature": TEMPERATURE}

    def answer(self, text: str, seed: int) -> str:
        """Ask once, and again where the server is busy, slow or breaks off.

        Raises:
            RunFailed: nothing answers, or nothing that can be understood.
        """
        for wait in (*WAITS, None):
            try:
                return self._ask(text, seed)
            except _Busy as busy:
                if wait is None:
                    tries = len(WAITS) + 1
                    raise RunFailed(f"{busy} It was asked {tries} times.{_next_step(str(busy))}") from None
                log.warning(f"{busy} It is asked again.")
                time.sleep(min(max(wait, busy.wait), LONGEST_WAIT))
        raise AssertionError("unreachable")

    def _ask(self, text: str, seed: int) -> str:
        while True:
            body: dict[str, Any] = {"messages": [{"role": "user", "content": text}], **self._settings}
            if self._model is not None:
                body["model"] = self._model
            if self._seeded:
                body["seed"] = seed
            try:
                return self._understood(self._sent(json.dumps(body).encode("ascii")))
            except urllib.error.HTTPError as error:
                told = self._words(_what_is_said(error, self._timeout))
                if error.code not in (400, 422) or not self._without(told):
                    raise self._failure(error, told) from None

    def _sent(self, body: bytes) -> bytes:
        """The bytes of the server's answer; of an HTTP error an HTTPError."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"medcl/{medcl.__version__}",
        }
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._address, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _read(response, self._timeout)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            raise self._unanswered(error) from None

    def _without(self, told: str) -> bool:
        """Leave out a setting that the server names as wrong; False when it names none."""
        names = [*self._settings, *(["seed"] if self._seeded else [])]
        named = [name for name in names if name in told]
        for name in named:
            log.info(f"The server does not take {name}: it is left out from here on.")
            self._settings.pop(name, None)
            self._seeded = self._seeded and name != "seed"
        return bool(named)

    def _understood(self, content: bytes) -> str:
        """The text in a chat completion."""
        shown = self._words(content)
        try:
            answer = json.loads(content)
        except ValueError:
            raise RunFailed(
                f"{self._where} answered what is no JSON ({shown or 'nothing'}): no OpenAI-compatible server is there. "
                "Its address usually ends in /v1."
            ) from None
        choices = answer.get("choices") if isinstance(answer, dict) else None
        message = choices[0].get("message") if isinstance(choices, list) and choices and _is_table(choices[0]) else None
        if not isinstance(message, dict):
            raise RunFailed(
                f"{self._where} answered JSON without an answer in it (expected choices with a message; got {shown}). "
                "See the server's log, and whether it serves chat completions for --model."
            )
        said = message.get("content")
        if isinstance(said, list):  # parts, as some servers give them
            said = "".join(str(part.get("text") or "") for part in said if isinstance(part, dict))
        return said if isinstance(said, str) else ""

    @property
    def _where(self) -> str:
        return f"--llm-url {self._address.removesuffix(PATH)}: the server"

    def _words(self, content: bytes) -> str:
        """The start of what a server wrote, in one line, without the key."""
        text = " ".join(content.decode("utf-8", errors="replace").split())
        if self._key:
            text = text.replace(self._key, "***")
        text = "".join(sign if sign.isprintable() else "?" for sign in text)
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

    def _failure(self, error: urllib.error.HTTPError, told: str) -> Exception:
        said = f"{self._where} answered HTTP {error.code} ({told or error.reason or 'without a word'})."
        if error.code in BUSY:
            return _Busy(said, _seconds(error.headers.get("Retry-After")))
        if error.code in (401, 403):
            if self._key:
                return RunFailed(f"{said} It does not take the key in {self._key_variable}: check it.")
            return RunFailed(f"{said} Put its key into an environment variable and name that with --api-key-env NAME.")
        if error.code == 404:
            return RunFailed(
                f"{said} Either the address is another (it usually ends in /v1), or the server has no model "
                f"{self._model or 'without a name'}: name one of its models with --model."
            )
        if 300 <= error.code < 400:
            return RunFailed(f"{said} It names another address, {error.headers.get('Location')}: give that yourself.")
        hint = "Check --model." if self._model else "It may want a model's name: give --model."
        return RunFailed(f"{said} {hint}")

    def _unanswered(self, error: Exception) -> Exception:
        """What stands behind a connection that failed: some failures pass, others do not."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return _Busy(f"{self._where} gave no whole answer within {self._timeout:g} s (--timeout).")
        if isinstance(reason, ssl.SSLError):
            return RunFailed(
                f"{self._where}'s encryption is not trusted ({reason}). Is it an http address? Where the hospital has "
                "its own certificates, name their file in the environment variable SSL_CERT_FILE."
            )
        if isinstance(reason, ConnectionRefusedError):
            return RunFailed(
                f"--llm-url {self._address.removesuffix(PATH)}: nothing answers there (connection refused). Start the "
                "server, or correct the address and the port."
            )
        if isinstance(reason, (ConnectionError, http.client.IncompleteRead)):
            return _Busy(f"{self._where} broke off ({type(reason).__name__}).")
        if isinstance(reason, http.client.HTTPException):
            return RunFailed(f"{self._where} does not speak HTTP ({type(reason).__name__}): correct address and port.")
        return RunFailed(
            f"--llm-url {self._address.removesuffix(PATH)}: cannot be reached ({reason}). Check the address and the "
            "network."
        )


def _address(url: str) -> str:
    """Where to post to; /v1 is taken where the address has no path."""
    parts = urlsplit(url.strip())
    try:
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        port_is_right = False
    if parts.username or parts.password or parts.query or parts.fragment:  # may hold a key: not repeated
        raise BadInput(
            "--llm-url: give the address alone, without user, password, ? and #. A key goes into an environment "
            "variable, whose name is given with --api-key-env NAME."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right or not url.isprintable():
        raise BadInput(f"--llm-url {url}: is no address of a server, such as http://localhost:8000/v1.")
    path = parts.path.rstrip("/").removesuffix(PATH) or "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}{PATH}"


def _read(response: Any, timeout: float) -> bytes:
    """The whole body, within the time and the size that an answer may have.

    Raises:
        TimeoutError: it drips in too slowly.
        RunFailed: it does not end.
    """
    end = time.monotonic() + timeout
    content = bytearray()
    while part := response.read1(1 << 16):
        content += part
        if len(content) > MOST_BYTES:
            raise RunFailed(f"The server's answer does not end ({MOST_BYTES >> 10} KiB were read): see its log.")
        if time.monotonic() > end:
            raise TimeoutError
    if getattr(response, "length", None):
        raise http.client.IncompleteRead(bytes(content), response.length)
    return bytes(content)


def _what_is_said(error: urllib.error.HTTPError, timeout: float) -> bytes:
    """The words that come with an HTTP error; none where they cannot be read."""
    try:
        return _read(error, timeout)
    except (OSError, http.client.HTTPException, RunFailed):
        return b""
    finally:
        error.close()


def _seconds(told: str | None) -> float:
    try:
        return max(0.0, float(told or 0))
    except ValueError:  # a date
        return 0.0


def _next_step(told: str) -> str:
    if "--timeout" in told:
        return " Give it more time with --timeout, or a smaller model."
    if "HTTP 429" in told:
        return " Wait until it takes requests again."
    return " See the server's log."


def _is_table(told: object) -> bool:
    return isinstance(told, dict)
