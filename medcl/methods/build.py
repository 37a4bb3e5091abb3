"""From the names on the command line to a method with its networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from medcl.losses.cosine_pairs import PAPER_MARGIN
from medcl.losses.in_batch_pairs import PAPER_POSITIVE_SHARE
from medcl.losses.nt_xent import BASELINE_TEMPERATURE
from medcl.methods.dense import Dense, DenseOptions
from medcl.methods.pair_contrast import PairContrast
from medcl.methods.prompt_texts import PromptTexts
from medcl.methods.prompts import PromptContrast, PromptOptions
from medcl.methods.simclr import Simclr
from medcl.networks.encoder import build_encoder
from medcl.networks.projection import DROPOUT, Projection
from medcl.networks.registry import DEFAULT_NETWORK
from medcl.networks.text_encoder import build_text_encoder
from medcl.networks.text_space import TextSpace
from medcl.study.errors import BadInput


@dataclass(frozen=True)
class MethodOptions:
    """What can be chosen about a method; the defaults are those of Milecki et al. (MIDL 2022).

    Attributes:
        network: one of `NETWORKS`.
        token: of the `vit`, which output is the feature vector.
        dropout: of the projection head.
        margin: of the cosine embedding loss (the paper's code has 0.5).
        positive_share: as in the task.
        temperature: of NT-Xent or the dense loss; None is the method's own.
        micro_batch: images that go through the encoder at a time; None is all.
        dense: of the method dense; its temperature is the one above.
        prompts: of the method prompts.

    Raises:
        BadInput: naming every value that cannot be used.
    """

    network: str = DEFAULT_NETWORK
    token: Literal["mean", "cls"] = "mean"
    dropout: float = DROPOUT
    margin: float = PAPER_MARGIN
    positive_share: float = PAPER_POSITIVE_SHARE
    temperature: float | None = None
    micro_batch: int | None = None
    dense: DenseOptions = field(default_factory=DenseOptions)
    prompts: PromptOptions = field(default_factory=PromptOptions)

    def __post_init__(self) -> None:
        temperature_fits = self.temperature is None or self.temperature > 0
        problems = [
            f"{flag} is {value}; expected {expected}."
            for flag, value, expected, fine in (
                ("--dropout", self.dropout, "a number in [0, 1)", 0 <= self.dropout < 1),
                ("--margin", self.margin, "a number in [-1, 1)", -1 <= self.margin < 1),
                ("--temperature", self.temperature, "a number above 0", temperature_fits),
                ("--micro-batch", self.micro_batch, "1 or more", self.micro_batch is None or self.micro_batch > 0),
            )
            if not fine
        ]
        if problems:
            raise BadInput(problems)


def build_method(
    method: str, pairs: Literal["sampled", "in-batch"], size: tuple[int, int, int], images: int, options: MethodOptions
) -> PairContrast | Simclr | Dense:
    """Return the method of `--method` and `--pairs` with freshly initialised networks.

    Args:
        method: variable, patient, simclr or dense; `build_prompt_method` makes the method prompts.
        pairs: of variable and patient.
        size: (z, y, x) of the images in voxels.
        images: of a simclr or dense batch.
        options: of the method.

    Raises:
        BadInput: the images are too small for the network, or it is unknown, or no ResNet for dense.
    """
    encoder = build_encoder(options.network, size, token=options.token)
    if method == "dense":
        dense = options.dense
        if options.temperature is not None:
            dense = replace(dense, temperature=options.temperature)
        return Dense(encoder, options.network, dense, images=images, micro_batch=options.micro_batch)
    projection = Projection(encoder.features, dropout=options.dropout)
    if method == "simclr":
        return Simclr(
            encoder,
            projection,
            images=images,
            temperature=BASELINE_TEMPERATURE if options.temperature is None else options.temperature,
            micro_batch=options.micro_batch,
        )
    return PairContrast(
        encoder,
        projection,
        pairs=pairs,
        margin=options.margin,
        positive_share=options.positive_share,
        micro_batch=options.micro_batch,
    )


def build_prompt_method(
    size: tuple[int, int, int], texts: Sequence[str], vocabulary: Sequence[str], images: int, options: MethodOptions
) -> PromptContrast:
    """Return the method prompts with freshly initialised networks, and the text encoder as it was asked for.

    Args:
        size: (z, y, x) of the images in voxels.
        texts: prompts by their places.
        vocabulary: texts whose words a text encoder that starts from nothing knows; those of `texts` among them.
        images: of a batch.
        options: of the method.

    Raises:
        BadInput: the images are too small for the network, there is no such text encoder or it does not read the
            texts, or its options do not fit it.
    """
    chosen = options.prompts
    encoder = build_encoder(options.network, size, token=options.token)
    width = chosen.text_width or encoder.features
    projection = Projection(encoder.features, hidden=(), out=width, dropout=options.dropout)
    text_encoder = build_text_encoder(
        chosen.text_encoder,
        frozen_layers=chosen.frozen_layers,
        pooling=chosen.text_pooling,
        texts=vocabulary,
        download=chosen.download,
    )
    return PromptContrast(
        encoder,
        projection,
        PromptTexts(TextSpace(text_encoder, width), texts),
        images=images,
        options=chosen,
        micro_batch=options.micro_batch,
    )
