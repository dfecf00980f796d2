"""UCF101: `trainlist01.txt` and `testlist01.txt`, of three splits, with lines `<class>/<video>`.

The lines of a training list also have the number of the class, which its name makes redundant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import Head, annotation_files, read_lines
from vidnas.data.formats.base import Format, Reading, names_of
from vidnas.data.formats.locating import Row, Videos
from vidnas.data.splits import split_named

_NAME = re.compile(r"(train|test)list(\d+)")
_LINE = re.compile(r"(?P<video>(?P<label>[^/]+)/\S+\.\w+)(?:\s+\d+)?")
_GROUP = re.compile(r"_g(\d+)_c\d+\.")


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one list.

    Raises:
        UserError: a line cannot be read, or the name of the file does not tell the split.
    """
    named = _NAME.fullmatch(path.stem)
    if named is None:
        raise UserError(f"{path}: the file must be called trainlist01.txt or testlist01.txt.")
    for number, line in read_lines(path):
        read = _LINE.fullmatch(line)
        if read is None:
            raise UserError(
                f"{path}, line {number}: '{line}' is not <class>/<video>; correct the line."
            )
        label, source = read["label"], _GROUP.search(line)
        group = f"{label}/{source[1]}" if source else None
        yield Row(read["video"], (label,), split_named(named[1]), group)


def _is_mine(head: Head) -> bool:
    return bool(head) and all(map(_LINE.fullmatch, head))


def _lists(source: Path) -> dict[str, list[Path]]:
    """Return the lists in a folder, or those of the split of a file, by number of the split."""
    given = _NAME.fullmatch(source.stem) if source.is_file() else None
    splits: dict[str, list[Path]] = {}
    for path in annotation_files(source.parent if given else source, _is_mine):
        if named := _NAME.fullmatch(path.stem):
            splits.setdefault(named[2], []).append(path)
    return {number: own for number, own in splits.items() if given is None or number == given[2]}


def _read(source: Path, folder: Path | None) -> Reading:
    splits = _lists(source)
    if not splits:
        raise UserError(
            f"{source}: there is no trainlist01.txt or testlist01.txt; give its folder."
        )
    number, files = min(splits.items())
    remarks = []
    if len(splits) > 1:
        remarks.append(
            f"{source}: split {number} of {', '.join(sorted(splits))} is read; for another give "
            f"one of its files, such as {max(splits.items())[1][0].name}."
        )
    videos = Videos(files[0], folder)
    return videos.reading(
        source,
        (row for path in files for row in parse(path)),
        lambda row: videos.at(row.video, row.split),
        layout=f"the lists {names_of(files)}",
        remarks=remarks,
    )


UCF101 = Format(
    name="ucf101",
    description="the lists of UCF101",
    recognises=lambda source: bool(_lists(source)),
    read=_read,
    published=True,
)
