"""Several studies side by side, read from their folders."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.evolution.study import Study
from vidnas.report.comparison import ComparedStudy, Comparison
from vidnas.report.comparison_page import write_comparison
from vidnas.workflows.page import read_winner
from vidnas.workflows.records import read_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.study_clips import known_clips

_TIMES = {"budget_s", "train_time_s", "workers"}
_SIZES = {"population", "tournament", "mutations", "mutation_decay"}


def compare(folders: Sequence[Path]) -> Comparison:
    """Read studies to compare, also while a search is running in one.

    Raises:
        UserError: there are fewer than two, one is given twice, or one cannot be read.
    """
    if len(folders) < 2:
        raise UserError("There is nothing to compare; give the folders of two or more studies.")
    places = [folder.resolve() for folder in folders]
    for place, folder in zip(places, folders, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{folder} is given more than once; name each study once.")
    names = [place.name for place in places]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return Comparison([_read(*one) for one in zip(folders, names, strict=True)])


def write(comparison: Comparison, page: Path) -> Path:
    """Write the page, and beside it the table as CSV; return the file of the table.

    Raises:
        UserError: the page is to have another ending than .html, or another table is in the way.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{page}: a comparison is a page; give the file the ending .html.")
    table, rows = page.with_suffix(".csv"), comparison.rows
    columns = list(rows[0])
    if table.exists() and not _has_columns(table, columns):
        raise UserError(
            f"{table}, where the table would go, holds something else; choose another name for "
            "--out."
        )
    write_comparison(comparison, page)
    with (
        replacing(table) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return table


def _has_columns(table: Path, columns: Sequence[str]) -> bool:
    header = ",".join(columns).encode()
    if not table.is_file():
        return False
    with table.open("rb") as file:
        return file.read(len(header) + 1).rstrip() == header


def _read(folder: Path, name: str) -> ComparedStudy:
    study, clips = Study.read(folder), known_clips(folder)
    return ComparedStudy(
        name,
        study.config,
        study.history,
        read_winner(folder),
        clips=clips.labelled if clips else frozenset(),
        budget=_budget(folder),
    )


def _budget(folder: Path) -> dict[str, Any]:
    """Return what was asked that a search derived its rungs and its population from, if it did."""
    asked = read_record(SearchRequest, folder / REQUEST_FILE)
    if asked is None or asked.candidate_epochs or asked.candidate_time_s:
        return {}
    return asked.model_dump(mode="json", include=_TIMES | _SIZES)
