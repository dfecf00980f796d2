"""A CSV with the columns `path,label[,split,group,start_s,end_s]`, paths relative to it."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vidnas.core import UserError
from vidnas.data.formats.base import Entry, Format, Reading
from vidnas.data.splits import SPLITS, split_named

_REQUIRED = ("path", "label")
_OPTIONAL = ("split", "group", "start_s", "end_s")
_TIME = "is not a time; give seconds from the start of the video, such as 1.5"
_CURES = {
    "split": f"is not a split; use {', '.join(SPLITS)} or leave the cell empty",
    "start_s": _TIME,
    "end_s": _TIME,
}
_Parsed = TypeVar("_Parsed")


def _read(source: Path) -> Reading:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="")
            columns = [column.strip() for column in reader.fieldnames or ()]
            remarks = _check_columns(source, columns)
            reader.fieldnames = columns
            entries = [_read_row(source, reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{source}: byte {error.start} is not UTF-8 text; save the table as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise UserError(f"{source}: not a readable CSV ({error}); save it as plain CSV.") from error
    missing = [entry.path for entry in entries if not entry.path.is_file()]
    if missing:
        raise UserError(
            f"{source}: {len(missing)} of {len(entries)} files do not exist, the first is "
            f"{missing[0]}; give paths relative to the folder of the CSV."
        )
    return Reading(tuple(entries), tuple(remarks))


def _check_columns(source: Path, columns: list[str]) -> list[str]:
    known = _REQUIRED + _OPTIONAL
    extra = [column for column in columns if column not in known]
    for column in extra:
        for meant in difflib.get_close_matches(column.lower(), known, n=1, cutoff=0.75):
            raise UserError(
                f"{source}: unknown column '{column}'; rename it to '{meant}' if that is what it "
                "holds, or give it a name that is less similar."
            )
    for column in _REQUIRED:
        if column not in columns:
            raise UserError(
                f"{source}: there is no column '{column}' among '{','.join(columns)}'; the first "
                f"line must name the columns {','.join(_REQUIRED)} and, if wanted, "
                f"{','.join(_OPTIONAL)}, separated by commas."
            )
    if len(set(columns)) < len(columns):
        raise UserError(f"{source}: a column appears twice in '{','.join(columns)}'; remove one.")
    return [f"{source}: unused columns: {', '.join(extra)}."] if extra else []


def _read_row(source: Path, line: int, row: dict[str, str | None]) -> Entry:
    def cell(column: str, parse: Callable[[str], _Parsed | None]) -> _Parsed | None:
        text = (row.get(column) or "").strip()
        if not text:
            return None
        value = parse(text)
        if value is None:
            raise UserError(f"{source}, line {line}: {column} '{text}' {_CURES[column]}.")
        return value

    for column in _REQUIRED:
        if not (row.get(column) or "").strip():
            raise UserError(f"{source}, line {line}: {column} is empty; fill it in.")
    entry = Entry(
        path=source.parent / str(row["path"]).strip(),
        labels=(str(row["label"]).strip(),),
        split=cell("split", split_named),
        group=cell("group", str),
        start_s=cell("start_s", _seconds),
        end_s=cell("end_s", _seconds),
    )
    if entry.end_s is not None and entry.end_s <= (entry.start_s or 0):
        raise UserError(
            f"{source}, line {line}: end_s {entry.end_s:g} is not after start_s "
            f"{entry.start_s or 0:g}; correct the times."
        )
    return entry


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


CSV_TABLE = Format(
    description=f"a CSV with the columns {','.join(_REQUIRED)}",
    recognises=Path.is_file,
    read=_read,
)
