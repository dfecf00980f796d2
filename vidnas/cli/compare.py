"""`vidnas compare`: several studies side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from vidnas.cli.console import Json, say, show, show_json, show_table
from vidnas.core.quantities import format_fitness, format_ms, format_percent
from vidnas.workflows.options import Request

if TYPE_CHECKING:
    from vidnas.report.comparison import Comparison


class CompareRequest(Request):
    """What `vidnas compare` is asked for."""

    studies: Annotated[tuple[Path, ...], Parameter(metavar="STUDY")]
    """Folders of studies, two or more; a search may be running in them."""
    out: Path = Path("comparison.html")
    """The page to write; its table is written beside it as .csv."""


def command(request: CompareRequest, *, json: Json = False) -> None:
    """Compare studies: who found what, how soon, at which cost, and how sure that is.

    Studies that differ in nothing but the seed are shown together, as a mean between
    the least and the most.

    For example:

        vidnas compare evolution random --out comparison.html
    """
    from vidnas.workflows import compare

    comparison = compare.compare(request.studies)
    table = compare.write(comparison, request.out)
    if json:
        files = {"page": str(request.out), "table": str(table)}
        show_json({**files, "notes": comparison.notes, "studies": comparison.rows})
        return
    figures = ("Trained", "Val", "Test", "95 %", "Latency")
    show_table("Study", "Search", figures=figures, rows=_rows(comparison))
    for sentence in comparison.summaries:
        show(sentence)
    for note in comparison.notes:
        say(("Note: ", "yellow"), note)
    show(f"page   {request.out}")
    show(f"table  {table}")


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    for row in comparison.rows:
        yield (
            row["study"],
            row["group"],
            str(row["trained"]),
            _shown(row, "validation", format_percent) or _shown(row, "fitness", format_fitness),
            _shown(row, "test", format_percent),
            _interval(row),
            _shown(row, "latency_ms", format_ms),
        )


def _shown(row: dict[str, Any], name: str, form: Any) -> str:
    return "" if row[name] is None else str(form(row[name]))


def _interval(row: dict[str, Any]) -> str:
    low, high = (_shown(row, name, format_percent) for name in ("test_low", "test_high"))
    return f"{low} to {high}" if low else ""
