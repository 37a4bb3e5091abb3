"""A pretrained text encoder from a folder in Hugging Face's form, through the package transformers.

It is read from the folder alone: no request leaves the machine, and no code that lies in the folder is run. Encoders
whose words all see each other are known: BERT and those built like it (RoBERTa, ELECTRA, MPNet, DeBERTa, DistilBERT,
ModernBERT). Weights are float32 whatever the folder holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from medcl.networks.text_parts import TextParts
from medcl.study.errors import BadInput

_LAYERS = ("encoder.layer", "transformer.layer", "layers")
"""Where models keep their layers."""

_BELOW = "embeddings"
_HEAD = "pooler"
"""A layer for another task, which medcl does not use."""

_KNOWN = "BERT, RoBERTa, ELECTRA, MPNet, DeBERTa, DistilBERT or ModernBERT"


def hugging_face_text(folder: Path, name: str) -> TextParts:
    """Load the encoder and the tokenizer of a folder.

    Args:
        folder: with config.json, weights and the tokenizer's files.
        name: what the user called it, for messages.

    Raises:
        BadInput: the folder holds no encoder that is known, or part of it is missing or damaged.
    """
    import transformers  # an extra, and slow to import

    with _quiet(transformers), _explained(folder, name):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        model, told = transformers.AutoModel.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    below, layers = _parts(model, name)
    _check_whole(model, tokenizer, told, name)
    if getattr(model, _HEAD, None) is not None:
        setattr(model, _HEAD, None)  # its weights would never get a gradient
    model = model.float()
    numbers = _Numbers(tokenizer)
    return TextParts(
        network=_Read(model),
        below=below,
        layers=layers,
        features=int(model.config.hidden_size),
        longest=int(getattr(model.config, "max_position_embeddings", None) or 2**31),
        padding=tokenizer.pad_token_id or 0,
        numbers=numbers,
        classifies=tokenizer.cls_token_id is not None and numbers(["a"])[0][0] == tokenizer.cls_token_id,
        pretrained_sha256=_hash(model),
    )


class _Read(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return cast(Tensor, self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state)


class _Numbers:
    """The tokenizer, without cutting and filling up, which folders may ask for."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        found = self.tokenizer(list(texts), truncation=False, padding=False, return_attention_mask=False, verbose=False)
        return [list(numbers) for numbers in found["input_ids"]]


def _parts(model: Any, name: str) -> tuple[list[nn.Module], list[nn.Module]]:
    """What comes before the layers, and the layers."""
    children = dict(model.named_children())
    writes = getattr(model.config, "is_decoder", False) or getattr(model.config, "is_encoder_decoder", False)
    modules = dict(model.named_modules())
    path = next((path for path in _LAYERS if isinstance(modules.get(path), nn.ModuleList)), None)
    if path is None or _BELOW not in children or writes:
        raise BadInput(
            f"--text-encoder {name} holds a model of type {model.config.model_type}, which is no text encoder that "
            f"medcl can use; it needs one built like {_KNOWN}."
        )
    names = list(children)
    return [children[each] for each in names[: names.index(path.split(".")[0])]], list(modules[path])


def _check_whole(model: Any, tokenizer: Any, told: dict[str, Any], name: str) -> None:
    missing = sorted(key for key in told["missing_keys"] if not key.startswith(_HEAD))
    problems = []
    if missing:
        problems.append(
            f"--text-encoder {name}: the weights of {missing[0]} are missing ({len(missing)} in all); the folder's "
            "weights are not of the model that its config.json describes."
        )
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # the package makes one without words where files are missing
        problems.append(
            f"--text-encoder {name}: its tokenizer has no words; a file of them belongs beside the weights "
            "(tokenizer.json, vocab.txt, ...)."
        )
    room = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > room:
        problems.append(
            f"--text-encoder {name}: its tokenizer has {len(tokenizer)} words and its weights have {room}; they do "
            "not belong together."
        )
    if problems:
        raise BadInput(problems)


def _hash(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, weights in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(weights.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the package's bars and remarks off the screen; what is wrong is told by `_check_whole`."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _explained(folder: Path, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the package raises what it meets: OSError, ValueError, KeyError, SafetensorError, ...
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadInput(f"--text-encoder {name}: {folder} cannot be loaded as a text encoder: {reason}") from error
