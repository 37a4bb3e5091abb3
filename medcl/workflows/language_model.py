"""What the commands know of a language model: a text in, a text out, and how it is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from medcl.study.errors import BadInput

TEMPERATURE = 0.8
"""Of the sampling: at 0 every answer to a template would be the same."""


class LanguageModel(Protocol):
    """A model that answers; `card` tells which it is, in plain values."""

    @property
    def card(self) -> dict[str, Any]: ...

    def answer(self, text: str, seed: int) -> str:
        """The answer to one text.

        Args:
            text: all that the model is given.
            seed: of the sampling, at least 0 and below 2**31.

        Raises:
            RunFailed: there is no answer, with what to do next.
        """
        ...


def open_language_model(
    path: Path | None, url: str | None, *, model: str | None, key_variable: str | None, timeout: float, device: str
) -> LanguageModel:
    """The model of the options: a server where `url` is given, else a local one.

    Args:
        path: folder or GGUF file of a local model.
        url: address of an OpenAI-compatible server.
        model: its name on the server.
        key_variable: environment variable that holds the server's key.
        timeout: seconds for one answer.
        device: of the local model.

    Raises:
        BadInput: an address that is none, an environment variable without a key, a path without a model.
    """
    if url is not None:
        from medcl.workflows.language_endpoint import LanguageEndpoint

        return LanguageEndpoint(url, model, timeout, key=_key(key_variable), key_variable=key_variable or "")
    from medcl.workflows.language_local import LocalLanguageModel

    assert path is not None
    return LocalLanguageModel(path, timeout, device)


def _key(variable: str | None) -> str:
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise BadInput(
            f"--api-key-env {variable}: no such environment variable is set, or it is empty. Set it in the shell "
            f"(read -rs {variable} && export {variable}) and give its name."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadInput(
            f"--api-key-env {variable}: its value holds spaces or signs that no key has. Copy the key once more."
        )
    return key
