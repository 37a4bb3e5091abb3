"""The commands by name, with the one line that `medcl --help` shows; no command's module is imported for that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Where a command's door stands and what it is for, in one line."""

    module: str
    help: str


@dataclass(frozen=True)
class Group:
    """Commands that share their first word, as `medcl segment train` and `medcl segment apply`."""

    help: str
    commands: dict[str, Command]


COMMANDS: dict[str, Command | Group] = {
    "init": Command("medcl.cli.init", "Start a study folder: a commented cohort.csv and medcl.toml."),
    "doctor": Command("medcl.cli.doctor", "Tell what this machine has: GPU, memory, codecs, versions."),
    "list": Command("medcl.cli.listing", "List methods, runs or the cohort's variables."),
    "simulate": Command("medcl.cli.simulate", "Write a simulated study with known truth."),
    "preprocess": Command("medcl.cli.preprocess", "Make model-ready volumes of the cohort's images."),
    "pretrain": Command("medcl.cli.pretrain", "Train an encoder contrastively, by a clinical variable for one."),
    "prompts": Group(
        "Clinical sentences for each image, by rules that you can read.",
        {
            "preview": Command("medcl.cli.prompts_preview", "Print every prompt with the row it came from."),
            "augment": Command("medcl.cli.prompts_augment", "Let a language model paraphrase templates, for review."),
        },
    ),
    "translate": Group(
        "Make images of one modality look like another's.",
        {
            "train": Command("medcl.cli.translate_train", "Learn a translation, with --segment a segmentation too."),
            "apply": Command("medcl.cli.translate_apply", "Translate images: volumes on their original grids."),
        },
    ),
    "segment": Group(
        "Train, apply and evaluate segmentations.",
        {
            "train": Command("medcl.cli.segment_train", "Train a segmentation from few labelled patients."),
            "apply": Command("medcl.cli.segment_apply", "Segment images: masks on their original grids."),
            "evaluate": Command("medcl.cli.segment_evaluate", "Compare masks with the truth, in mm, case by case."),
        },
    ),
    "cluster": Group(
        "Group images without labels, and tell the groups apart.",
        {
            "train": Command("medcl.cli.cluster_train", "Group images by a contrastive autoencoder."),
            "apply": Command("medcl.cli.cluster_apply", "Put images to the fixed clusters of a run."),
            "evaluate": Command("medcl.cli.cluster_evaluate", "Compare clusters and features with labels."),
        },
    ),
    "embed": Command("medcl.cli.embed", "Write the encoder's features of every image as a table."),
    "evaluate": Command("medcl.cli.evaluate", "Tell how well features predict a variable, beside baselines."),
    "visualize": Command("medcl.cli.visualize", "Draw the features as a page, coloured by a variable."),
}
