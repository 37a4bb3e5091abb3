"""A language model on this machine, through transformers (extra `llm`): a folder or a GGUF file; nothing is fetched."""

from __future__ import annotations

import importlib
import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import read_json
from medcl.workflows.language_model import TEMPERATURE

MOST_TOKENS = 256
"""Of an answer; a prompt has 77 at most."""

_WRITES = ("CausalLM", "LMHead", "ConditionalGeneration")
"""In the names of architectures that write text; others only read it."""

log = logging.getLogger("medcl")


class LocalLanguageModel:
    """A model in a folder (Hugging Face form) or a GGUF file. It is loaded at the first `answer`."""

    def __init__(self, path: Path, timeout: float, device: str = "auto") -> None:
        """
        Args:
            path: the folder or the file.
            timeout: seconds after which an answer is cut.
            device: "auto", "cpu", "cuda" or "mps".

        Raises:
            BadInput: no model is there, or a package is missing.
        """
        self._path, self._timeout, self._device = path.absolute(), timeout, device
        self._gguf = path.suffix.casefold() == ".gguf"
        _look(self._path, self._gguf)
        needed = ("transformers", "accelerate", *(["gguf"] if self._gguf else []))
        missing = [package for package in needed if find_spec(package) is None]
        if missing:
            raise BadInput(f"--llm needs {' and '.join(missing)}: `pip install 'medcl[llm]'`.")
        self._loaded: tuple[Any, Any] | None = None

    @property
    def card(self) -> dict[str, Any]:
        """Which model, as far as can be told without loading it."""
        return {"path": str(self._path), "temperature": TEMPERATURE}

    def answer(self, text: str, seed: int) -> str:
        """Sample one answer; the same seed gives the same one on the same machine.

        Raises:
            BadInput: the model cannot be loaded.
            RunFailed: memory is short, or the model fails.
        """
        import torch

        if self._loaded is None:
            self._loaded = self._load()
        tokenizer, model = self._loaded
        try:
            given = _tokens(tokenizer, text).to(model.device)
            with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
                torch.manual_seed(seed)
                written = model.generate(
                    **given,
                    do_sample=True,
                    temperature=TEMPERATURE,
                    top_p=0.95,
                    max_new_tokens=MOST_TOKENS,
                    max_time=self._timeout,
                    pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise RunFailed(
                f"--llm {self._path}: the model fails to answer ({_first_line(error)}). Take a smaller model, or "
                "--device cpu."
            ) from error
        return str(tokenizer.decode(written[0, given["input_ids"].shape[1] :], skip_special_tokens=True))

    def _load(self) -> tuple[Any, Any]:
        from medcl.training.device import resolve_device

        device = resolve_device(self._device)
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when the package is imported; the path is local besides
        log.info(f"Loading {self._path.name} on {device}.")
        transformers = importlib.import_module("transformers")
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        where: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        folder = self._path
        if self._gguf:
            folder, where["gguf_file"] = self._path.parent, self._path.name
        else:
            where["torch_dtype"] = "auto"  # as it is stored
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(str(folder), **where)
            where.pop("torch_dtype", None)
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), **where)
            return tokenizer, model.to(device).eval()
        except (MemoryError, RuntimeError) as error:
            raise RunFailed(
                f"--llm {self._path}: cannot be loaded ({_first_line(error)}). Take a smaller model, or --device cpu."
            ) from error
        except Exception as error:  # of transformers, tokenizers, safetensors or gguf, each of which has its own
            raise BadInput(
                f"--llm {self._path}: transformers cannot load it ({_first_line(error)}). Is the folder or file whole, "
                "and its architecture known to this version of transformers?"
            ) from error


def _look(path: Path, gguf: bool) -> None:
    """Refuse what is no model before anything heavy is imported."""
    if not path.exists():
        raise BadInput(
            f"--llm {path}: no such folder or file. Models are not downloaded: give the path of one that is on this "
            "machine."
        )
    if gguf:
        if path.is_dir() or path.open("rb").read(4) != b"GGUF":
            raise BadInput(f"--llm {path}: is no GGUF file (it does not begin with GGUF). Copy it once more.")
        return
    if not path.is_dir():
        raise BadInput(f"--llm {path}: is neither a folder nor a .gguf file.")
    if not (path / "config.json").is_file():
        inside = sorted(file.name for file in path.glob("*.gguf"))
        hint = f"Give a GGUF file itself: --llm {path / inside[0]}" if inside else "Give the folder of a model"
        raise BadInput(f"--llm {path}: holds no config.json, so it is no model in Hugging Face form. {hint}.")
    config = read_json(path / "config.json")
    names = config.get("architectures") if isinstance(config, dict) else None
    if isinstance(names, list) and names and not any(word in str(name) for name in names for word in _WRITES):
        raise BadInput(f"--llm {path}: the model ({', '.join(map(str, names))}) writes no text. Give a language model.")


def _tokens(tokenizer: Any, text: str) -> Any:
    """The text as the model was taught to be asked, where its tokenizer knows that."""
    if not tokenizer.chat_template:
        return tokenizer(f"{text}\n", return_tensors="pt")
    asked = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True, enable_thinking=False
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
