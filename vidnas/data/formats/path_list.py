"""A list of `path label` lines, as PySlowFast, pytorchvideo and mmaction2 read them.

Separated by blanks, tabs, commas or semicolons; the path ends with the suffix of a video and may
hold blanks. Labels are numbers, several where a video shows several classes, or one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    IsMine,
    read_lines,
    recognised_by,
    split_of,
    with_siblings,
)
from vidnas.data.formats.base import Format, Reading, names_of
from vidnas.data.formats.class_list import named_classes
from vidnas.data.formats.locating import Row, Videos
from vidnas.data.reading import VIDEO_SUFFIXES

_SUFFIX = "|".join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))
# The suffix is the last that a separator or the end follows.
_LINE = re.compile(rf"(?P<video>.+(?i:{_SUFFIX}))[\"']?(?:[\s,;]+(?P<labels>.*))?")
_NUMBERS = re.compile(r"-?\d+(?:[\s,;]+-?\d+)*")


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one list; those with no label, or -1, have none; what -1 shows is unknown.

    Raises:
        UserError: a line has no path of a video.
    """
    for number, line in read_lines(path):
        read = _LINE.fullmatch(line)
        if read is None:
            raise UserError(
                f"{path}, line {number}: '{line}' has no path that ends like a video, such as "
                "clip.mp4 3; correct the line."
            )
        text = read["labels"] or ""
        labels = labels_in(text)
        yield Row(
            read["video"].strip("'\""),
            labels,
            split_of(path),
            is_unknown="-" in text and not labels,
        )


def labels_in(text: str) -> tuple[str, ...]:
    """Return the classes at the end of a line: numbers, or one name."""
    text = text.strip().strip("'\"")
    if not _NUMBERS.fullmatch(text):
        return (text,) if text else ()
    labels = (str(int(number)) for number in re.split(r"[\s,;]+", text))
    return tuple(dict.fromkeys(label for label in labels if not label.startswith("-")))


def read_rows(
    source: Path,
    files: list[Path],
    rows: Iterable[Row],
    folder: Path | None,
    *,
    is_mine: IsMine,
    layout: str,
    remarks: Iterable[str],
) -> Reading:
    """Return the entries of lists, with names for the numbers of their classes if there are any."""
    named, said = named_classes(files, list(rows), lambda head: is_mine(head) or _is_paths(head))
    videos = Videos(files[0], folder)
    return videos.reading(
        source,
        named,
        lambda row: videos.at(row.video, row.split),
        layout=layout,
        remarks=(*remarks, *said),
        multi_label=any(len(row.labels) > 1 for row in named),
    )


def _is_paths(head: Head) -> bool:
    return bool(head) and all(map(_LINE.fullmatch, head))


def _is_mine(head: Head) -> bool:
    read = [_LINE.fullmatch(line) for line in head]
    return bool(read) and all(line and line["labels"] for line in read)


def _read(source: Path, folder: Path | None) -> Reading:
    files, remarks = with_siblings(source, _is_mine)
    return read_rows(
        source,
        files,
        (row for path in files for row in parse(path)),
        folder,
        is_mine=_is_mine,
        layout=f"lines with a path and a label in {names_of(files)}",
        remarks=remarks,
    )


PATH_LIST = Format(
    name="list",
    description="a list of lines `path label`",
    recognises=recognised_by(_is_mine),
    read=_read,
)
