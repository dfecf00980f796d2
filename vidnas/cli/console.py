"""How commands speak: people on standard error, results on standard output.

Text is data: the consoles print what they are given, whatever brackets or colons it holds, with
what would act on a terminal escaped; style comes from `Text`, never from markup in a string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Annotated, Any

from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vidnas.core.text import escaped
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
_BAR_WIDTH = 40


def line(*parts: Styled) -> Text:
    """Return the parts as one line, and as no more than that."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((escaped(text), style) for text, style in pairs))


def show(*parts: Styled) -> None:
    """Print a line of a result, never wrapped."""
    results.print(line(*parts), soft_wrap=True)


def say(*parts: Styled) -> None:
    """Print a line for people, never wrapped."""
    messages.print(line(*parts), soft_wrap=True)


def show_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    print(_json(value, sort_keys=True))


def show_line(value: Any) -> None:
    """Print one JSON document on a line of standard output, at once."""
    print(_json(value, indent=None), flush=True)


@contextmanager
def json_entries() -> Iterator[Callable[[str, Any], None]]:
    """Print one JSON object to standard output, entry by entry; it is whole after errors, too."""
    before = "{\n"

    def entry(key: str, value: Any) -> None:
        nonlocal before
        text = f"{_json(key)}: {_json(value)}"
        print(before + "  " + text.replace("\n", "\n  "), end="", flush=True)
        before = ",\n"

    try:
        yield entry
    finally:
        print("{}" if before[0] == "{" else "\n}")


def _json(value: Any, *, sort_keys: bool = False, indent: int | None = 2) -> str:
    # All that is not ASCII is escaped by the library; DEL is the one control character in ASCII
    # that it leaves.
    return json.dumps(value, indent=indent, sort_keys=sort_keys).replace("\x7f", "\\u007f")


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
    heads, *cells = ([*map(escaped, row)] for row in ((key, *titles, *figures), *rows))
    longest = [max(map(len, column)) for column in zip_longest(heads, *cells, fillvalue="")]
    left = results.width - sum(longest[1 + len(titles) :], 2 * len(figures))
    for place, head in enumerate(heads):
        if place > len(titles):
            table.add_column(head, justify="right", no_wrap=True)
        else:
            kept = place == 0 and longest[0] <= left
            table.add_column(head, overflow="fold", no_wrap=kept)
    for row in cells:
        if row:
            table.add_row(*row)
        else:
            table.add_section()
    results.print(table)


def show_facts(facts: Mapping[str, str | list[str]]) -> None:
    """Print facts by name, each of one line or several."""
    results.print(facts_table(facts))


def facts_table(facts: Mapping[str, str | list[str]]) -> Table:
    """Return facts by name, each of one line or several."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        lines = [fact] if isinstance(fact, str) else fact
        table.add_row(escaped(name), "\n".join(map(escaped, lines)))
    return table


def show_bars(title: str, bars: Mapping[str, int]) -> None:
    """Print how often each of some things occurs, as bars."""
    show((title, "bold"))
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", overflow="fold", max_width=_BAR_WIDTH)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(width=_BAR_WIDTH)
    most = max(bars.values(), default=0)
    for name, count in bars.items():
        bar = ProgressBar(total=max(most, 1), completed=count, width=_BAR_WIDTH)
        table.add_row(escaped(name), str(count), bar)
    results.print(table)
