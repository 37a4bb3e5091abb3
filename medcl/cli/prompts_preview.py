"""`medcl prompts preview`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.prompts_preview import PromptsPreviewed, PromptsPreviewOptions, prompts_preview

SHOWN = 10
"""Images without a prompt that are named; of the others the number is told."""


def summary(found: PromptsPreviewed) -> None:
    """Print the prompts, then what was dropped and how many of them differ."""
    if found.distinct:
        for text in found.texts:
            typer.echo(text)
    else:
        _print_images(found)
    typer.echo()
    with_prompt = found.images - len(found.without)
    typer.echo(f"{with_prompt:,} of {counted(found.images, 'image')} have a prompt.")
    if found.without:
        named = ", ".join(f"{case} (row {row})" for case, row in found.without[:SHOWN])
        more = f" and {len(found.without) - SHOWN:,} more" if len(found.without) > SHOWN else ""
        typer.echo(f"Without any prompt, left out of a training: {named}{more}.")
    dropped = [f"{slot} in {counted(count, 'image')}" for slot, count in found.missing.items() if count]
    typer.echo(f"Without a value, so that sentences are dropped: {', '.join(dropped) or 'no slot of any image'}.")
    typer.echo(
        f"{counted(len(found.texts), 'distinct prompt')} by {counted(len(found.rules.templates), 'template')} and "
        f"their synonyms; {counted(found.statements, 'distinct statement')}, template and synonyms aside."
    )
    if found.table is not None:
        typer.echo(f"Table: {found.table}")


def _print_images(found: PromptsPreviewed) -> None:
    """A line a prompt: row of cohort.csv, image, template (from 1), dropped slots, text."""
    lines = [("row", "image", "template", "dropped", "prompt")]
    lines += [
        (str(each.row), each.case, str(each.template + 1), ",".join(each.dropped) or "-", each.text)
        for each in found.prompts
    ]
    widths = [max(len(line[index]) for line in lines) for index in range(4)]
    for line in lines:
        cells = [text.ljust(width) for text, width in zip(line, widths, strict=False)]
        typer.echo("  ".join([*cells, line[-1]]))


command = door(PromptsPreviewOptions, prompts_preview, summary)
