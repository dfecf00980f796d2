"""Kinetics-400, -600 and -700: `label,youtube_id,time_start,time_end,split`, a CSV per split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    columns_of,
    read_table,
    recognised_by,
    split_of,
)
from vidnas.data.formats.base import Format
from vidnas.data.formats.by_files import reader_of
from vidnas.data.formats.locating import Row
from vidnas.data.splits import split_named

_COLUMNS = ("youtube_id", "time_start", "time_end")


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one CSV; those of a test split may have no label.

    Raises:
        UserError: a row cannot be read.
    """
    for line, row in read_table(path, _COLUMNS):
        try:
            start, end = (round(float(row[column])) for column in _COLUMNS[1:])
        except (ValueError, OverflowError) as error:
            raise UserError(
                f"{path}, line {line}: time_start and time_end must be seconds; download the file "
                "again."
            ) from error
        split = split_named(row["split"]) if row.get("split") else split_of(path)
        label, name = row.get("label"), row["youtube_id"]
        video = f"{name}_{start:06d}_{end:06d}"
        yield Row(video, (label,) if label else (), split, group=name)


def _is_mine(head: Head) -> bool:
    return set(columns_of(head)) >= set(_COLUMNS)


KINETICS = Format(
    name="kinetics",
    description="the CSV files of Kinetics",
    recognises=recognised_by(_is_mine),
    read=reader_of(
        _is_mine,
        parse,
        lambda videos, row: videos.called(row.video, row.split, *row.labels),
        f"the columns {', '.join(_COLUMNS)} in",
    ),
    published=True,
)
