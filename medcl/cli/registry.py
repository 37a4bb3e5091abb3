"""The commands by name, with the one line that `medcl --help` shows; no command's module is imported for that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Where a command's door stands and what it is for, in one line."""

    module: str
    help: str


COMMANDS = {
    "init": Command("medcl.cli.init", "Start a study folder: a commented cohort.csv and medcl.toml."),
    "doctor": Command("medcl.cli.doctor", "Tell what this machine has: GPU, memory, codecs, versions."),
    "list": Command("medcl.cli.listing", "List methods, runs or the cohort's variables."),
    "simulate": Command("medcl.cli.simulate", "Write a simulated study with known truth."),
    "preprocess": Command("medcl.cli.preprocess", "Make model-ready volumes of the cohort's images."),
    "pretrain": Command("medcl.cli.pretrain", "Train an encoder contrastively, by a clinical variable for one."),
    "embed": Command("medcl.cli.embed", "Write the encoder's features of every image as a table."),
    "visualize": Command("medcl.cli.visualize", "Draw the features as a page, coloured by a variable."),
}
