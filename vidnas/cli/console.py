"""How commands speak: people on standard error, results on standard output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

messages = Console(stderr=True, highlight=False)
"""Progress and remarks: kept apart from results, so that these can be piped."""
results = Console(highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON for machines.")]


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True))


@contextmanager
def counting(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left; call what is given with the numbers done and in all."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
