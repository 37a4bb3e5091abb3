"""A server of a language model on this machine that keeps every byte it is sent, for the tests."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from medcl.study.prompt_template import slots_of

Reply = Callable[["ModelServer", dict[str, Any]], bytes | None]
"""What is sent back for a request's body; None sends nothing and closes."""


def http_answer(status: str, content: bytes, *headers: str) -> bytes:
    """A whole HTTP answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "Connection: close"]
    return "\r\n".join([*head, "", ""]).encode() + content


def said(text: Any) -> bytes:
    """A chat completion with this text."""
    message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return http_answer("200 OK", json.dumps({"object": "chat.completion", "choices": [message]}).encode())


def template_in(body: dict[str, Any]) -> str:
    """The template of a request: its last line."""
    return str(body["messages"][-1]["content"].splitlines()[-1])


def good(server: ModelServer, body: dict[str, Any]) -> bytes:
    """A paraphrase that is right, another each time."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(body["seed"]))
    return said(" ".join(f"The {letters} of it was {{{slot}}}." for slot in slots_of(template_in(body))))


@dataclass
class ModelServer:
    """Answers by `reply` until the context ends.

    Attributes:
        reply: what to answer.
        sent: the bytes of every connection, in order.
        pause: seconds before each answer.
    """

    reply: Reply = good
    pause: float = 0.0
    sent: list[bytes] = field(default_factory=list)

    def __enter__(self) -> ModelServer:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more connections: the port then refuses them."""
        if self._listening.fileno() >= 0:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._thread.join(5)

    @property
    def url(self) -> str:
        """Its address as a user gives it."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON of every request."""
        return [json.loads(sent.partition(b"\r\n\r\n")[2]) for sent in self.sent]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            request = _whole_request(connection)
            self.sent.append(request)
            place = len(self.sent) - 1
            time.sleep(self.pause)
            answer = self.reply(self, json.loads(request.partition(b"\r\n\r\n")[2] or b"{}"))
            try:
                connection.sendall(answer or b"")
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                while more := connection.recv(1 << 16):  # whatever else comes is kept too
                    self.sent[place] += more
            except OSError:
                return


def _whole_request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(1 << 16)
        if not part:
            return request
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body
