"""The console script: finds the command, runs its door and turns errors into one message and an exit status.

Only the command that was named is imported; the others are known by their line in the registry, so that
`medcl --help` answers at once.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

import typer

from medcl import __version__
from medcl.cli.reading import Reading
from medcl.cli.registry import COMMANDS, Command
from medcl.study.errors import BadInput, MedclError

EPILOG = "Research use only; not a medical device. 'medcl COMMAND --help' shows a command's options."


def build_app(wanted: Sequence[str] | None) -> typer.Typer:
    """The application, with the wanted command in full (all of them when None) and the others by name.

    Args:
        wanted: the first words of the command line that are no flags.
    """
    app = _typer(name="medcl", pretty_exceptions_enable=False)
    app.callback(epilog=EPILOG, invoke_without_command=True)(_top)
    for name, entry in COMMANDS.items():
        full = wanted is None or list(wanted[:1]) == [name]
        if isinstance(entry, Command):
            _add(app, name, entry, full)
            continue
        group = _typer(name=name)
        for below, command in entry.commands.items():
            _add(group, below, command, full and (wanted is None or list(wanted[1:2]) == [below]))
        group.callback(epilog=EPILOG)(_group)
        app.add_typer(group, name=name, help=entry.help, short_help=entry.help)
    return app


def _typer(**settings: Any) -> typer.Typer:
    return typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}, **settings)


def _add(app: typer.Typer, name: str, entry: Command, full: bool) -> None:
    command = importlib.import_module(entry.module).command if full else _listed_only
    app.command(name, cls=Reading, help=None if full else entry.help, short_help=entry.help)(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run medcl and leave with its exit status: 0 fine, 1 the run failed, 2 bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _show_log()
    wanted = [word for word in words if not word.startswith("-")]
    completing = any(word.startswith(("--install-completion", "--show-completion")) for word in words)
    try:
        build_app(None if completing else wanted)(args=words, prog_name="medcl")
    except MedclError as error:
        if debug:
            raise
        _complain(error.problems, several=isinstance(error, BadInput))
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        _complain(["stopped by the keyboard."])
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        _complain(
            [
                f"{type(error).__name__}: {error}",
                "This is a fault of medcl: run again with --debug and report the traceback.",
            ]
        )
        sys.exit(1)


def _top(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; may stand anywhere."),
) -> None:
    """Contrastive learning for clinical imaging cohorts."""
    if version:
        typer.echo(f"medcl {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _group() -> None:
    """A word that several commands share does nothing by itself."""


def _listed_only() -> None:
    raise AssertionError("a command that was not named was called")


class _PlainLines(logging.Handler):
    """Writes each message as a line to whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(record.getMessage(), err=True)


def _show_log() -> None:
    """What the rooms have to tell (choices, notes, warnings) is shown as plain lines."""
    log = logging.getLogger("medcl")
    if not any(isinstance(handler, _PlainLines) for handler in log.handlers):
        log.addHandler(_PlainLines())
    log.setLevel(logging.INFO)


def _complain(problems: Sequence[str], several: bool = False) -> None:
    """Show the sentences of one error, or `several` errors as a list."""
    typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    if not several or len(problems) == 1 or problems[0].endswith(":"):  # a heading with what belongs below it
        typer.echo("\n".join(problems), err=True)
        return
    typer.echo(f"{len(problems)} problems", err=True)
    for problem in problems:
        typer.echo(f"  - {problem}", err=True)
