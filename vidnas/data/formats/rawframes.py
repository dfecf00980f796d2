"""A list of frame folders, as mmaction2 reads it: lines `folder total_frames label`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    read_lines,
    recognised_by,
    split_of,
    with_siblings,
)
from vidnas.data.formats.base import Format, Reading, names_of
from vidnas.data.formats.locating import Row
from vidnas.data.formats.path_list import labels_in, read_rows
from vidnas.data.formats.suffixes import is_video_name

_LINE = re.compile(r"(?P<folder>\S.*?)\s+(?P<frames>\d+)\s+(?P<labels>\d+(?:\s+\d+)*)")


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one list.

    Raises:
        UserError: a line cannot be read.
    """
    for number, line in read_lines(path):
        read = _LINE.fullmatch(line)
        if read is None:
            raise UserError(
                f"{path}, line {number}: '{line}' is not a folder, its number of frames and a "
                "label; correct the line."
            )
        yield Row(read["folder"], labels_in(read["labels"]), split_of(path))


def _is_mine(head: Head) -> bool:
    read = [_LINE.fullmatch(line) for line in head]
    return bool(read) and all(line and not is_video_name(line["folder"]) for line in read)


def _read(source: Path, folder: Path | None) -> Reading:
    files, remarks = with_siblings(source, _is_mine)
    return read_rows(
        source,
        files,
        (row for path in files for row in parse(path)),
        folder,
        is_mine=_is_mine,
        layout=f"lines with a folder, its frames and a label in {names_of(files)}",
        remarks=remarks,
    )


RAWFRAMES = Format(
    name="rawframes",
    description="a list of lines `folder frames label`",
    recognises=recognised_by(_is_mine),
    read=_read,
)
