"""How metrics are shown: a line for each, and then class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from vidnas.cli.console import line, results, show, show_table
from vidnas.core.quantities import format_metric, format_percent

if TYPE_CHECKING:
    from vidnas.deploy.card import ModelCard
    from vidnas.training import AnyMetrics, Metrics, MultiLabelMetrics

_WIDEST_MATRIX = 20
_OF_TOP5 = 5
_NAME_LENGTH = 12


def show_headline(metrics: AnyMetrics) -> None:
    """Print in one line how well a network does on clips that it has not seen."""
    first, *others = (
        f"{format_percent(share)} {format_metric(name)}" for name, share in metrics.shares.items()
    )
    share, _, name = first.partition(" ")
    rest = f" ({', '.join(others)})" if others else ""
    show((share, "bold"), f" {name} on {metrics.clips} unseen clips{rest}")


def show_metrics(metrics: AnyMetrics, classes: Sequence[str], title: str) -> None:
    """Print metrics; then the confusion matrix unless it has too many classes for a terminal, or
    how well each class is found where a video may show several."""
    show((title, "bold"))
    facts = {"clips": str(metrics.clips)}
    facts |= {format_metric(name): format_percent(one) for name, one in metrics.shares.items()}
    if len(classes) <= _OF_TOP5:
        facts.pop("top-5", None)
    facts["loss"] = f"{metrics.loss:.3f}"
    for name, fact in facts.items():
        show(f"{name:10}  {fact}")
    if metrics.headline == "map":
        _show_precision(metrics, classes)
    elif len(classes) <= _WIDEST_MATRIX:
        show("Confusion: one row per true class, one column per predicted class")
        results.print(_matrix(metrics, classes))


def show_time_use(card: ModelCard) -> None:
    """Print in one line what other orders of the frames leave of the test accuracy, if measured."""
    if card.test is not None and card.time_use is not None:
        test = card.test
        show(f"time    {card.time_use.describe(test.headline_share, test.headline_name)}")


def _show_precision(metrics: MultiLabelMetrics, classes: Sequence[str]) -> None:
    found = zip(classes, metrics.positives, metrics.average_precision, strict=True)
    rows = [
        (name, str(shown), "none" if precision is None else format_percent(precision))
        for name, shown, precision in found
    ]
    show_table("class", figures=("videos", "average precision"), rows=rows)


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
