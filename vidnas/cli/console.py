"""How commands speak: people on standard error, results on standard output."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

messages = Console(stderr=True, highlight=False)
"""Progress and remarks: kept apart from results, so that these can be piped."""
results = Console(highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON for machines.")]


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True))
