"""Tiny pretrained text encoders in Hugging Face's form, made here: random weights, real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIGNS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "gfr", "was", "very", "low", "high", "medium", "donor", "age", ".", "##s"]


def write_bert(folder: Path, layers: int = 3, *, tokenizer: bool = True, **changed: Any) -> Path:
    """Write a BERT with `layers` layers of width 16 as it is published: weights and one list of words."""
    from transformers import BertConfig, BertModel

    shape: dict[str, Any] = {
        "vocab_size": len(SIGNS) + len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 128,
    }
    BertModel(BertConfig(**{**shape, **changed})).save_pretrained(folder)
    if tokenizer:
        write_words(folder)
    return folder


def write_words(folder: Path) -> None:
    """Write the tokenizer's file."""
    (folder / "vocab.txt").write_text("\n".join([*SIGNS, *WORDS]) + "\n", encoding="utf-8")
