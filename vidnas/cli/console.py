"""How commands speak: people on standard error, results on standard output.

Text is data: both consoles print what they are given, whatever brackets or colons it holds, and
style comes from `Text`, never from markup in a string.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Annotated, Any

from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vidnas.workflows.options import OUTPUT

_PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False}
messages = Console(stderr=True, **_PLAIN)
"""Progress and remarks: kept apart from results, so that these can be piped."""
results = Console(**_PLAIN)

Json = Annotated[
    bool, OUTPUT, Parameter(help="Print the result as JSON for machines.", negative=())
]
Styled = str | tuple[str, str]
"""Text, or text with its style."""


def show(*parts: Styled) -> None:
    """Print a line of a result, never wrapped."""
    results.print(Text.assemble(*parts), soft_wrap=True)


def say(*parts: Styled) -> None:
    """Print a line for people, never wrapped."""
    messages.print(Text.assemble(*parts), soft_wrap=True)


def show_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    print(json.dumps(value, indent=2, sort_keys=True))


def show_table(
    key: str, *titles: str, figures: Sequence[str] = (), rows: Iterable[Sequence[str]]
) -> None:
    """Print a table. Columns of text wrap first, then long keys; nothing is cut off.

    Args:
        key: title of the first column.
        titles: of the columns of text after it.
        figures: of the columns of numbers after these.
        rows: the cells of all columns; an empty row draws a line.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    cells = list(rows)
    lines = [(key, *titles, *figures), *cells]
    longest = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    left = results.width - sum(longest[1 + len(titles) :], 3 * len(figures))
    table.add_column(key, overflow="fold", no_wrap=longest[0] <= left)
    for title in titles:
        table.add_column(title, overflow="fold")
    for title in figures:
        table.add_column(title, justify="right", no_wrap=True)
    for row in cells:
        if row:
            table.add_row(*row)
        else:
            table.add_section()
    results.print(table)
