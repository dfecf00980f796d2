"""Jester, and Something-Something v1: a file per split with lines `id;label`, videos as frames."""

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
)
from vidnas.data.formats.base import Format
from vidnas.data.formats.by_files import reader_of
from vidnas.data.formats.locating import Row
from vidnas.data.formats.something import SOMETHING

_LINE = re.compile(r"(?P<video>\d+)(?:\s*;\s*(?P<label>.*))?")


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one file; those of the test split have no label.

    Raises:
        UserError: a line cannot be read.
    """
    for number, line in read_lines(path):
        read = _LINE.fullmatch(line)
        if read is None:
            raise UserError(
                f"{path}, line {number}: '{line}' is not of the form id;label; correct the line."
            )
        yield Row(read["video"], (read["label"],) if read["label"] else (), split_of(path))


def _is_mine(head: Head) -> bool:
    return bool(head) and all(";" in line and _LINE.fullmatch(line) for line in head)


def _recognises(source: Path) -> bool:
    # Something-Something v2 has a file of such lines among its own: the answers of its test.
    return recognised_by(_is_mine)(source) and not SOMETHING.recognises(source)


JESTER = Format(
    name="jester",
    description="the files of Jester",
    recognises=_recognises,
    read=reader_of(
        _is_mine,
        parse,
        lambda videos, row: videos.called(row.video, row.split),
        "lines id;label in",
    ),
    published=True,
)
