"""The pretraining methods that `--method` knows, by name. No torch: help, listings and docs read the same truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KIDNEY_PAPER = "Milecki et al., Contrastive learning for kidney transplant analysis using MRI data, MIDL 2022"
SIMCLR_PAPER = "Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020"
IDEAL_PAPER = (
    "Basak et al., IDEAL: improved dense local contrastive learning for semi-supervised medical image segmentation, "
    "ICASSP 2023"
)
PROMPTS_PAPER = (
    "Milecki et al., MEDIMP: 3D medical images and clinical prompts for renal transplant representation learning, "
    "MIDL 2023"
)
CLUSTERING_PAPER = (
    "Ferrante et al., Contrastive learning for unsupervised medical image clustering and reconstruction, 2023"
)

TRANSLATION_PAPER = "Zeng et al., Contrastive translation learning for medical image segmentation, 2023"


@dataclass(frozen=True)
class MethodDescription:
    """What a user needs to choose a method.

    Attributes:
        title: one line.
        paper: where it comes from.
        needs: what a study must have for it.
        options: names of the options that it reads, beyond those of every training.
        pairs: the values of `--pairs` that it knows; empty where it makes its own pairs.
        defaults: options that have another default in this method.
    """

    title: str
    paper: str
    needs: str
    options: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


PAIR_SAMPLINGS = ("sampled", "in-batch")
PAIR_OPTIONS = ("pairs", "margin", "positive_share", "pairs_per_epoch", "steps_per_epoch")

METHODS: dict[str, MethodDescription] = {
    "variable": MethodDescription(
        title="patients with alike values of a clinical variable attract, with different values repel",
        paper=KIDNEY_PAPER,
        needs="--variable NAME with values in several patients",
        options=("variable", "thresholds", "differs_by", *PAIR_OPTIONS),
        pairs=PAIR_SAMPLINGS,
    ),
    "patient": MethodDescription(
        title="two images of one patient attract, of different patients repel",
        paper=KIDNEY_PAPER,
        needs="patients with several exams",
        options=("same_exam", *PAIR_OPTIONS),
        pairs=PAIR_SAMPLINGS,
    ),
    "simclr": MethodDescription(
        title="two views of one image attract, of different images repel (baseline)",
        paper=SIMCLR_PAPER,
        needs="images only",
        options=("temperature", "pairs_per_epoch"),
    ),
    "dense": MethodDescription(
        title="cells of two views at the same place attract, cells of different images repel (before segmentation)",
        paper=IDEAL_PAPER,
        needs="images only; a ResNet",
        options=(
            "temperature",
            "images_per_epoch",
            "dense_positives",
            "dense_warmup",
            "dense_stride",
            "dense_position_gap",
            "dense_same_patient",
            "dense_momentum",
        ),
        defaults={"temperature": 0.1},
    ),
    "prompts": MethodDescription(
        title="an image and the clinical prompt that its row of the table gives attract, other prompts repel",
        paper=PROMPTS_PAPER,
        needs="clinical variables that the rules of prompts.toml name",
        options=("rules", "text_encoder", "frozen_layers", "text_pooling", "text_width", "targets", "download"),
        defaults={
            "epochs": 200,
            "optimizer": "adam",
            "lr": 1e-4,
            "weight_decay": 0.2,
            "dropout": 0.0,
        },
    ),
}

SEGMENTATION_METHODS: dict[str, MethodDescription] = {
    "ideal": MethodDescription(
        title="two decoders teach each other on unlabelled images, beside what labelled ones teach",
        paper=IDEAL_PAPER,
        needs="a mask in some patients",
        options=("labeled", "consistency_weight", "ramp_up", "confidence", "teacher", "mix", "loss"),
    ),
    "supervised": MethodDescription(
        title="labelled images alone (baseline)",
        paper="Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015",
        needs="a mask in some patients",
        options=("labeled", "loss"),
    ),
    "translated": MethodDescription(
        title="masks of one modality and slices that are translated into another, which needs no mask",
        paper=TRANSLATION_PAPER,
        needs="slices of two modalities, masks of the source, a run of `medcl translate train`",
        options=("translation", "widths", "deep_supervision", "average"),
    ),
}
"""The methods of `medcl segment train`."""

CLUSTERING_METHODS: dict[str, MethodDescription] = {
    "cluster": MethodDescription(
        title="two views of one image attract and are rebuilt, then clusters are found and the decoder learns them",
        paper=CLUSTERING_PAPER,
        needs="images only",
        options=(
            "clusters",
            "most",
            "grouping",
            "assign",
            "assignment_temperature",
            "contrast",
            "temperature",
            "reconstruction_weight",
            "contrastive_epochs",
        ),
    ),
}
"""The method of `medcl cluster train`."""

TRANSLATION_METHODS: dict[str, MethodDescription] = {
    "translation": MethodDescription(
        title="slices take the target's look, each place held to its source by contrast; a segmentation learns along",
        paper=TRANSLATION_PAPER,
        needs="slices of two modalities; masks of the source for --segment",
        options=(
            "segment",
            "detach_translated",
            "gan_weight",
            "nce_weight",
            "identity_weight",
            "segmentation_weight",
            "temperature",
            "patches",
            "nce_reduction",
            "first_tap",
            "organ_negatives",
            "average",
            "self_training",
            "self_training_ramp",
            "confidence",
            "deep_supervision",
        ),
    ),
}
"""The method of `medcl translate train`."""
