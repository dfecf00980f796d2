"""Charades: a CSV per split, with `id`, `subject`, `length`, and `actions` of many classes.

An action is `c092 11.90 21.20`: class, start and end in seconds, several separated by `;`. A video
shows all of its actions, as the makers test it; when each is shown is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    columns_of,
    read_lines,
    read_table,
    recognised_by,
    split_of,
    with_siblings,
)
from vidnas.data.formats.base import Format, Reading, names_of
from vidnas.data.formats.locating import Row, Videos

_COLUMNS = ("id", "actions", "length")
_ACTION = re.compile(r"(c\d{3,}) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")
_CLASSES = "Charades_v1_classes.txt"


def parse(path: Path) -> Iterator[Row]:
    """Yield the rows of one CSV, with the codes of the classes: c000, c001 and so on.

    Raises:
        UserError: a row cannot be read.
    """
    for line, row in read_table(path, _COLUMNS):
        actions = [action.strip() for action in row["actions"].split(";") if action.strip()]
        read = [_ACTION.fullmatch(action) for action in actions]
        if not all(read):
            raise UserError(
                f"{path}, line {line}: the actions '{row['actions']}' are not of the form 'c092 "
                "11.90 21.20;c147 0.00 12.60'; correct them."
            )
        shown = dict.fromkeys(action[1] for action in read if action)
        yield Row(row["id"], tuple(shown), split_of(path), group=row.get("subject") or None)


def class_names(folder: Path) -> dict[str, str]:
    """Return the names of the classes by code, if their file is in the folder."""
    path = folder / _CLASSES
    lines = (line for _, line in read_lines(path)) if path.is_file() else ()
    return {code: name for code, _, name in (line.partition(" ") for line in lines)}


def _is_mine(head: Head) -> bool:
    return set(columns_of(head)) >= set(_COLUMNS)


def _read(source: Path, folder: Path | None) -> Reading:
    files, remarks = with_siblings(source, _is_mine)
    names = class_names(files[0].parent)
    if not names:
        remarks.append(f"{_CLASSES} is not beside {files[0].name}: classes have codes for names.")
    videos = Videos(files[0], folder)
    rows = (row for path in files for row in parse(path))
    return videos.reading(
        source,
        (named(row, names) for row in rows),
        lambda row: videos.called(row.video, row.split),
        layout=f"the columns {', '.join(_COLUMNS)} in {names_of(files)}; a video shows several "
        "classes, whenever in it",
        remarks=remarks,
        multi_label=True,
    )


def named(row: Row, names: dict[str, str]) -> Row:
    """Return the row with the names of its classes for their codes."""
    labels = tuple(names.get(label, label) for label in row.labels)
    return Row(row.video, labels, row.split, row.group)


CHARADES = Format(
    name="charades",
    description="the CSV files of Charades",
    recognises=recognised_by(_is_mine),
    read=_read,
    published=True,
)
