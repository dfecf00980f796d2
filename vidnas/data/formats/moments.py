"""Moments in Time: `trainingSet.csv` and `validationSet.csv`, `class/file.mp4,class,votes,votes`.

Class names hold `+` for blanks, as in `moments_categories.txt`, and stay as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    read_lines,
    recognised_by,
    split_of,
)
from vidnas.data.formats.base import Format
from vidnas.data.formats.by_files import reader_of
from vidnas.data.formats.locating import Row
from vidnas.data.formats.suffixes import is_video_name


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one CSV, which has no header.

    Raises:
        UserError: a line cannot be read.
    """
    for number, line in read_lines(path):
        video, label = _cells(line)
        if not label:
            raise UserError(
                f"{path}, line {number}: '{line}' is not of the form class/file.mp4,class; correct "
                "the line."
            )
        yield Row(video, (label,), split_of(path))


def _cells(line: str) -> tuple[str, str]:
    try:
        cells = next(csv.reader([line], strict=True))
    except csv.Error:
        return line, ""
    return (cells[0].strip(), cells[1].strip()) if len(cells) > 1 else (line, "")


def _is_mine(head: Head) -> bool:
    return bool(head) and all(
        is_video_name(video) and video.split("/")[-2:-1] == [label]
        for video, label in map(_cells, head)
    )


MOMENTS = Format(
    name="moments",
    description="the CSV files of Moments in Time",
    recognises=recognised_by(_is_mine),
    read=reader_of(
        _is_mine,
        parse,
        lambda videos, row: videos.at(row.video, row.split),
        "lines class/file,class in",
    ),
    published=True,
)
