"""How accuracies are shown: a line for each, and which classes were taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from vidnas.cli.console import line, results, show

if TYPE_CHECKING:
    from vidnas.deploy.model import ModelCard
    from vidnas.training import Metrics

_WIDEST_MATRIX = 20
_NAME_LENGTH = 12


def show_metrics(metrics: Metrics, classes: Sequence[str], title: str) -> None:
    """Print accuracies, and the confusion matrix unless it has too many classes for a terminal."""
    show((title, "bold"))
    facts = {"clips": str(metrics.clips), "top-1": f"{metrics.top1:.1%}"}
    if len(classes) > 5:
        facts["top-5"] = f"{metrics.top5:.1%}"
    facts |= {"mean class": f"{metrics.mean_class:.1%}", "loss": f"{metrics.loss:.3f}"}
    for name, fact in facts.items():
        show(f"{name:10}  {fact}")
    if len(classes) <= _WIDEST_MATRIX:
        show("Confusion: one row per true class, one column per predicted class")
        results.print(_matrix(metrics, classes))


def show_time_use(card: ModelCard) -> None:
    """Print in one line what other orders of the frames leave of the test accuracy, if measured."""
    if card.test is not None and card.time_use is not None:
        show(f"time    {card.time_use.describe(card.test.top1)}")


def _matrix(metrics: Metrics, classes: Sequence[str]) -> Table:
    table = Table(box=None)
    table.add_column()
    for number in range(len(classes)):
        table.add_column(str(number), justify="right")
    for row, (name, counts) in enumerate(zip(classes, metrics.confusion, strict=True)):
        cells = [_cell(count, is_hit=row == column) for column, count in enumerate(counts)]
        table.add_row(line(f"{row} {name[:_NAME_LENGTH]}"), *cells)
    return table


def _cell(count: int, *, is_hit: bool) -> Text:
    if count == 0:
        return Text(".", style="dim")
    return Text(str(count), style="green" if is_hit else "red")
