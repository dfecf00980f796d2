"""Names for the numbers of classes, where a file of names lies beside a list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import IsMine, head_of, read_json, read_lines
from vidnas.data.formats.locating import Row

# A line is `3 name`, `3,name`, `name,3`, or the name alone: its number is the line's, from 0.
_NUMBER_FIRST = re.compile(r"(?P<number>\d+)[\s,;:]+(?P<name>.*)")
_NUMBER_LAST = re.compile(r"(?P<name>.*\S)\s*[,;:]\s*(?P<number>\d+)")
_PLACES = (
    "classInd.txt", "class_ind.txt", "classids.json", "classes.txt", "class_names.txt",
    "class_list.txt", "categories.txt", "labels.txt", "label_map*.txt", "*_label_map.txt",
    "*_classes.txt", "*_categories.txt",
)  # fmt: skip


def named_classes(
    files: Sequence[Path], rows: Sequence[Row], is_list: IsMine
) -> tuple[list[Row], list[str]]:
    """Return the rows with names for numbers, and what to say of it.

    Numbers stay where no file of names fits: one that has a name for each of them, and is no list
    of clips, which may be called labels.txt as well.

    Args:
        files: the lists, beside which names are looked for.
        rows: what they hold.
        is_list: whether a file that begins so is such a list.
    """
    numbers = {label for row in rows for label in row.labels}
    if not all(label.isdecimal() for label in numbers):
        return list(rows), []
    beside = (path for place in _PLACES for path in sorted(files[0].parent.glob(place)))
    for path in beside:
        is_of_clips = path in files or is_list(head_of(path))
        names = None if is_of_clips else _names(path, numbers)
        if names is not None:
            named = (tuple(names[label] for label in row.labels) for row in rows)
            said = f"{path.name} names the classes."
            return [replace(row, labels=own) for row, own in zip(rows, named, strict=True)], [said]
    return list(rows), ["Classes are numbers: no file such as classes.txt beside it names them."]


def _names(path: Path, numbers: set[str]) -> dict[str, str] | None:
    """Return the names by number if the file has distinct ones for all of the numbers."""
    try:
        names = _from_json(path) if path.suffix == ".json" else _from_lines(path)
    except UserError:
        return None
    # If it counts from 1, as UCF101 does, the list may count from 0. Where that has neither 0 nor
    # the last number, it is not known.
    if names and "0" not in names:
        if "0" in numbers:
            names = {str(int(number) - 1): name for number, name in names.items()}
        elif str(len(names)) not in numbers:
            return None
    is_clear = all(names.values()) and len(set(names.values())) == len(names)
    return names if is_clear and numbers <= set(names) else None


def _from_json(path: Path) -> dict[str, str]:
    content = read_json(path)
    if not isinstance(content, dict):
        return {}
    return {str(number): str(name).strip('"') for name, number in content.items()}


def _from_lines(path: Path) -> dict[str, str]:
    lines = [line for _, line in read_lines(path)]
    for form in (_NUMBER_FIRST, _NUMBER_LAST):
        read = [form.fullmatch(line) for line in lines]
        if all(read):
            names = {str(int(line["number"])): line["name"].strip() for line in read if line}
            return names if len(names) == len(lines) else {}
    return {str(number): line for number, line in enumerate(lines)}
