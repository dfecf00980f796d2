"""The `vidnas` command: its sub-commands, and errors as sentences for people."""

from __future__ import annotations

import errno
import sys

import typer
from rich.markup import escape

from vidnas.cli import (
    bench,
    data,
    draw,
    ensemble,
    evaluate,
    export,
    models,
    predict,
    search,
    status,
    studies,
    train,
)
from vidnas.cli.console import messages
from vidnas.core import UserError
from vidnas.core.process import available_cores, prepare_process

app = typer.Typer(
    name="vidnas",
    help="Evolve neural networks for video, for your clips and your run-time limit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("search")(search.command)
app.command("status")(status.command)
app.command("ensemble")(ensemble.command)
app.command("train")(train.command)
app.command("eval")(evaluate.command)
app.command("predict")(predict.command)
app.command("bench")(bench.command)
app.command("export")(export.command)
app.command("models")(models.command)
app.command("draw")(draw.command)
app.add_typer(data.app, name="data")
app.add_typer(studies.app, name="study")

_FULL = "the disk is full or your quota used up; free some space and run the same command again"
_OS_CURES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: "permission was denied; choose a folder that you may write to",
    errno.EROFS: "the file system is read-only; choose another folder",
}


def main() -> None:
    """Run the command line; mistakes of the user end with one sentence and exit code 2."""
    prepare_process(threads=available_cores())
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _OS_CURES:
            raise
        _fail(f"{error.filename or 'Writing'}: {_OS_CURES[error.errno]}.")
    except KeyboardInterrupt:
        messages.print("[yellow]Stopped.[/]")
        sys.exit(130)


def _fail(sentence: str) -> None:
    messages.print(f"[bold red]Error:[/] {escape(sentence)}", soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
