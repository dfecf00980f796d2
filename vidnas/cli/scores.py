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


def show_headline(metrics: AnyMetrics, classes: Sequence[str]) -> None:
    """Print how well a network does on clips that it has not seen, and beside guessing."""
    first, *others = (f"{share} {name}" for name, share in _shares(metrics, classes).items())
    share, _, name = first.partition(" ")
    rest = f" ({', '.join(others)})" if others else ""
    show((share, "bold"), f" {name} on {metrics.clips} unseen clips{rest}")
    show(f"chance  {_beside_guessing(metrics, classes)}")
    _warn(metrics, classes)


def show_metrics(metrics: AnyMetrics, classes: Sequence[str], title: str) -> None:
    """Print metrics; then the confusion matrix unless it has too many classes for a terminal, or
    how well each class is found where a video may show several."""
    show((title, "bold"))
    facts = {"clips": str(metrics.clips), **_shares(metrics, classes)}
    facts["chance"] = _beside_guessing(metrics, classes)
    facts["loss"] = f"{metrics.loss:.3f}"
    for name, fact in facts.items():
        show(f"{name:10}  {fact}")
    _warn(metrics, classes)
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


def _shares(metrics: AnyMetrics, classes: Sequence[str]) -> dict[str, str]:
    """Return accuracies by name; five guesses among so few classes say nothing."""
    shares = {format_metric(name): format_percent(one) for name, one in metrics.shares.items()}
    if len(classes) <= _OF_TOP5:
        shares.pop("top-5", None)
    return shares


def _beside_guessing(metrics: AnyMetrics, classes: Sequence[str]) -> str:
    from vidnas.training.chance import describe_chance

    return describe_chance(metrics, classes)


def _warn(metrics: AnyMetrics, classes: Sequence[str]) -> None:
    from vidnas.training.chance import chance_warning

    if warning := chance_warning(metrics, classes):
        show((warning, "bold yellow"))


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
