"""A CSV with the columns `path,label[,split,group,start_s,end_s,images_fps]`.

Paths are relative to it. With a column `labels` instead of `label`, a video may show any number of
classes: `run|jump`.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from vidnas.core import UserError
from vidnas.core.text import escaped
from vidnas.data.formats.annotations import (
    Head,
    annotation_files,
    head_of,
    read_text,
    split_of,
    with_siblings,
)
from vidnas.data.formats.base import Format, Reading, names_of
from vidnas.data.formats.locating import Row, Videos
from vidnas.data.splits import SPLITS, split_named

_REQUIRED = ("path", "label")
_SEVERAL = "labels"
_OPTIONAL = ("split", "group", "start_s", "end_s", "images_fps")
_SEPARATOR = "|"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_TIME = "is not a time; give seconds from the start of the video, such as 1.5"
_CURES = {
    "split": f"is not a split; use {', '.join(SPLITS)} or leave the cell empty",
    "start_s": _TIME,
    "end_s": _TIME,
    "images_fps": "is not a rate; give images per second, such as 30, or leave the cell empty",
}
_Parsed = TypeVar("_Parsed")


def parse(source: Path) -> tuple[list[Row], list[str], bool]:
    """Return the rows of a table, remarks, and whether a video may have several labels.

    Raises:
        UserError: a column or a cell is missing, superfluous or unreadable.
    """
    text = read_text(source)
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        while columns and not columns[-1]:
            columns.pop()
        remarks = _check_columns(source, columns)
        if delimiter != ",":
            remarks.append(f"{source}: cells are separated by {_DELIMITERS[delimiter]}.")
        rows = [
            _read_row(source, reader.line_num, _cells(source, reader.line_num, columns, cells))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise UserError(f"{source}: not a readable CSV ({error}); save it as plain CSV.") from error
    return rows, remarks, _SEVERAL in columns


def _read(source: Path, folder: Path | None) -> Reading:
    if source.is_dir():
        return _read_folder(source, folder)
    rows, remarks, multi_label = parse(source)
    return _located(source, rows, remarks, folder, multi_label)


def _read_folder(source: Path, folder: Path | None) -> Reading:
    """Return what the tables of a folder hold, whose names state the split of their videos."""
    rows: list[Row] = []
    files, remarks = with_siblings(source, _is_mine)
    several = set()
    for path in files:
        found, said, multi_label = parse(path)
        rows += [row if row.split else replace(row, split=split_of(path)) for row in found]
        remarks += said
        several.add(multi_label)
    if len(several) > 1:
        raise UserError(f"{source}: {names_of(files)} have columns label and labels; use one.")
    return _located(source, rows, [f"{names_of(files)}: read.", *remarks], folder, several.pop())


def _located(
    source: Path, rows: list[Row], remarks: list[str], folder: Path | None, multi_label: bool
) -> Reading:
    videos = Videos(source, folder, only_home=True)
    return videos.reading(
        source,
        rows,
        lambda row: videos.at(row.video, row.split),
        layout="a table with the columns "
        + ", ".join(_REQUIRED if not multi_label else (_REQUIRED[0], _SEVERAL)),
        remarks=remarks,
        multi_label=multi_label,
    )


def _delimiter(text: str) -> str:
    """Return what separates the names of the columns: a comma, unless only another makes sense."""
    header = text.partition("\n")[0]
    for delimiter in _DELIMITERS:
        if _REQUIRED[0] in (cell.strip().strip('"') for cell in header.split(delimiter)):
            return delimiter
    return ","


def _cells(source: Path, line: int, columns: list[str], cells: list[str]) -> dict[str, str]:
    """Return the cells of a row by column.

    Raises:
        UserError: there are more cells than columns: a comma in one was meant as text.
    """
    while len(cells) > len(columns) and not cells[-1].strip():
        cells = cells[:-1]  # as a spreadsheet leaves them
    beyond = len(cells) - len(columns)
    if beyond > 0:
        at = columns.index("label" if "label" in columns else _SEVERAL)
        meant = ",".join(cells[at : at + 1 + beyond]).strip()
        raise UserError(
            f"{source}, line {line}: there are {len(cells)} cells for the {len(columns)} columns "
            f"{','.join(columns)}; if a cell holds a comma, put it in quotes, such as "
            f'"{escaped(meant)}".'
        )
    own = (cell.strip() for cell in cells[: len(columns)])
    return dict(zip_longest(columns, own, fillvalue=""))


def _check_columns(source: Path, columns: list[str]) -> list[str]:
    known = (*_REQUIRED, _SEVERAL, *_OPTIONAL)
    extra = [column for column in columns if column not in known]
    for column in extra:
        for meant in difflib.get_close_matches(column.lower(), known, n=1, cutoff=0.75):
            raise UserError(
                f"{source}: unknown column '{column}'; rename it to '{meant}' if that is what it "
                "holds, or give it a name that is less similar."
            )
    for column in _REQUIRED:
        if column not in columns and (column, _SEVERAL in columns) != ("label", True):
            raise UserError(
                f"{source}: there is no column '{column}' among '{','.join(columns)}'; the first "
                f"line must name the columns {','.join(_REQUIRED)} and, if wanted, "
                f"{','.join(_OPTIONAL)}, separated by commas; or choose the --format of a "
                "published data set."
            )
    if len(set(columns)) < len(columns):
        raise UserError(f"{source}: a column appears twice in '{','.join(columns)}'; remove one.")
    if {"label", _SEVERAL} <= set(columns):
        raise UserError(
            f"{source}: there are columns label and labels; keep label if every video shows one "
            f"class, otherwise labels, with {_SEPARATOR} between several."
        )
    named = [escaped(column) or "one without a name" for column in extra]
    return [f"{source}: unused columns: {', '.join(named)}."] if named else []


def _read_row(source: Path, line: int, row: dict[str, str]) -> Row:
    def cell(column: str, parse: Callable[[str], _Parsed | None]) -> _Parsed | None:
        text = row.get(column, "")
        if not text:
            return None
        value = parse(text)
        if value is None:
            raise UserError(f"{source}, line {line}: {column} '{text}' {_CURES[column]}.")
        return value

    for column in _REQUIRED if _SEVERAL not in row else _REQUIRED[:1]:
        if not row.get(column):
            raise UserError(f"{source}, line {line}: {column} is empty; fill it in.")
    entry = Row(
        video=row["path"],
        labels=_labels(row),
        split=cell("split", split_named),
        group=cell("group", str),
        start_s=cell("start_s", _seconds),
        end_s=cell("end_s", _seconds),
        images_fps=cell("images_fps", lambda text: _seconds(text) or None),
    )
    if entry.end_s is not None and entry.end_s <= (entry.start_s or 0):
        raise UserError(
            f"{source}, line {line}: end_s {entry.end_s:g} is not after start_s "
            f"{entry.start_s or 0:g}; correct the times."
        )
    return entry


def _labels(row: dict[str, str]) -> tuple[str, ...]:
    if _SEVERAL not in row:
        return (row["label"],)
    labels = (label.strip() for label in row[_SEVERAL].split(_SEPARATOR))
    return tuple(dict.fromkeys(label for label in labels if label))


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _recognises(source: Path) -> bool:
    # Any CSV: what is wrong with the names of its columns is better said than that it is unknown.
    if source.is_file():
        return source.suffix.lower() in (".csv", ".tsv") or _is_mine(head_of(source))
    # A folder only where the tables are for its splits: others may lie beside folders of classes.
    return len({split_of(path) for path in annotation_files(source, _is_mine)} - {None}) > 1


def _is_mine(head: Head) -> bool:
    first = "".join(head[:1])
    columns = {cell.strip().strip('"') for cell in first.split(_delimiter(first))}
    return _REQUIRED[0] in columns and bool(columns & {_REQUIRED[1], _SEVERAL})


CSV_TABLE = Format(
    name="csv",
    description=f"a CSV with the columns {','.join(_REQUIRED)}",
    recognises=_recognises,
    read=_read,
)
