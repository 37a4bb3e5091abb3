"""The door of `medcl prompts augment`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.prompts_augment import Augmented, PromptsAugmentOptions, prompts_augment


def summary(done: Augmented) -> None:
    """Say what was kept, what is short, and that a person comes next."""
    texts = f"{counted(sum(done.kept), 'paraphrase')} of {counted(len(done.kept), 'template')} kept"
    typer.echo(f"{texts}, {done.refused:,} refused ({counted(done.asked, 'answer')} asked, {done.seconds:.0f} s).")
    short = [f"{number} ({kept})" for number, kept in enumerate(done.kept, start=1) if kept < done.wanted]
    if short:
        typer.echo(
            f"Fewer than {done.wanted} of template {', '.join(short)}: more with --resume and higher --attempts."
        )
    typer.echo(f"Review: {done.review} says of every text whether and why; delete from")
    typer.echo(f"        {done.rules} what a physician would not say.")
    typer.echo(f"Then:   medcl prompts preview --rules {done.rules}")


command = door(PromptsAugmentOptions, prompts_augment, summary)
