"""How accuracies are shown: a line each, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from vidnas.cli.console import results

if TYPE_CHECKING:
    from vidnas.training import Metrics

_WIDEST_MATRIX = 20
_NAME_LENGTH = 12


def print_metrics(metrics: Metrics, classes: Sequence[str], title: str) -> None:
    """Print accuracies, and the confusion matrix unless it has too many classes for a terminal."""
    results.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
    table = Table(show_header=False)
    table.add_row("clips", str(metrics.clips))
    table.add_row("top-1", f"{metrics.top1:.1%}")
    if len(classes) > 5:
        table.add_row("top-5", f"{metrics.top5:.1%}")
    table.add_row("mean class", f"{metrics.mean_class:.1%}")
    table.add_row("loss", f"{metrics.loss:.3f}")
    results.print(table)
    if len(classes) <= _WIDEST_MATRIX:
        results.print("Confusion: a row for each true class, a column for what it was taken for")
        results.print(_matrix(metrics, classes))


def _matrix(metrics: Metrics, classes: Sequence[str]) -> Table:
    table = Table(box=None)
    table.add_column()
    for number in range(len(classes)):
        table.add_column(str(number), justify="right")
    for row, (name, counts) in enumerate(zip(classes, metrics.confusion, strict=True)):
        cells = [_cell(count, is_hit=row == column) for column, count in enumerate(counts)]
        table.add_row(f"{row} {escape(name[:_NAME_LENGTH])}", *cells)
    return table


def _cell(count: int, *, is_hit: bool) -> str:
    if count == 0:
        return "[dim]·[/]"
    return f"[green]{count}[/]" if is_hit else f"[red]{count}[/]"
