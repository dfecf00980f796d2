"""Files of annotations: their text, how they begin, and which of them belong together."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.core.text import counted
from vidnas.data.formats.base import FEW
from vidnas.data.splits import SPLIT_WORDS, Split, split_named

Head = list[str]
"""The first lines of a file that are not blank; none if it is not text."""
IsMine = Callable[[Head], bool]

_SUFFIXES = frozenset((".csv", ".json", ".list", ".lst", ".tsv", ".txt"))
_HEAD_BYTES = 64 * 1024
_HEAD_LINES = 20
# `train` in train.csv, videos_train.txt and trainingSet.csv, not in constraint.txt.
_WORDS = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_SPLIT_WORD = re.compile(
    rf"(?<![A-Za-z])(?:{_WORDS})(?![a-z])|(?<=[a-z])(?:{_WORDS.title()})(?![a-z])"
    rf"|(?<![A-Za-z])(?:{_WORDS.title()}|{_WORDS.upper()})(?![a-z])"
)
_PLACES = re.compile(r"annot|label|list|split", re.IGNORECASE)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        UserError: it cannot be read, is not UTF-8, or has characters that no path may have.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start} is not UTF-8 text; save the file in UTF-8."
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    before, found, _ = text.partition("\0")
    if found:
        line = before.count("\n") + 1
        raise UserError(
            f"{path}, line {line}: a NUL character is no text; remove it, or save the file in "
            "UTF-8."
        )
    return text


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
    """
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def read_table(path: Path, needed: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV whose first line names its columns, with their line numbers.

    Raises:
        UserError: it is no such CSV, needed columns are missing, or a row has more or fewer cells
            than there are columns.
    """
    reader = csv.reader(read_text(path).splitlines(keepends=True), strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        if not set(columns) >= set(needed):
            raise UserError(
                f"{path}: the first line does not name the columns {','.join(needed)}; give a file "
                "of this format, or another --format."
            )
        for cells in reader:
            if len(cells) != len(columns) and any(cells):
                raise UserError(
                    f"{path}, line {reader.line_num}: {counted(len(cells), 'cell')} for "
                    f"{counted(len(columns), 'column')} {','.join(columns)}; quote "
                    "cells that hold commas."
                )
            if any(cells):
                stripped = (cell.strip() for cell in cells)
                yield reader.line_num, dict(zip(columns, stripped, strict=True))
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num}: not a readable CSV ({error}); save it as plain CSV."
        ) from error


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        UserError: it is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); download it again.") from error


def columns_of(head: Head) -> list[str]:
    """Return the cells of the first line, as if it named the columns of a CSV."""
    try:
        return [cell.strip() for cell in next(csv.reader(head[:1]), [])]
    except csv.Error:
        return []


def head_of(path: Path) -> Head:
    """Return how a file begins."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEAD_BYTES)
    except OSError:
        return []
    if b"\0" in start:
        return []
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    if len(start) == _HEAD_BYTES and len(lines) > 1:
        lines.pop()  # the last is cut off
    return [line.strip() for line in lines if line.strip()][:_HEAD_LINES]


def recognised_by(is_mine: IsMine) -> Callable[[Path], bool]:
    """Return whether a path is a file that begins so, or a folder with such files."""
    return lambda source: bool(annotation_files(source, is_mine))


def annotation_files(source: Path, is_mine: IsMine) -> list[Path]:
    """Return a file, or the files in a folder or its folder of annotations, that begin so."""
    if source.is_file():
        return [source] if is_mine(head_of(source)) else []
    for folder in (source, *(sub for sub in _inside(source) if _PLACES.search(sub.name))):
        found = [
            path
            for path in _inside(folder)
            if path.suffix.lower() in _SUFFIXES and path.is_file() and is_mine(head_of(path))
        ]
        if found:
            return found
    return []


def with_siblings(source: Path, is_mine: IsMine) -> tuple[list[Path], list[str]]:
    """Return the files of one data set, by their names, and what to say of others.

    A file is read with those beside it that have another split in the same name: train.csv with
    val.csv. In a folder it is the largest such family.

    Raises:
        UserError: a folder has no such file.
    """
    if source.is_file():
        beside = annotation_files(source.parent, is_mine)
        family = [path for path in beside if _family(path) == _family(source)]
        return (family if source in family else [source]), []
    families = defaultdict(list)
    for path in annotation_files(source, is_mine):
        families[_family(path)].append(path)
    if not families:
        raise UserError(f"{source}: there is no file of this format in it; give the file itself.")
    chosen, *rest = sorted(families.values(), key=lambda own: (-len(own), own[0]))
    others = [path.name for own in rest for path in own]
    remarks = [f"{listed(others, FEW)}: not read; give one to read it instead."]
    return chosen, remarks if others else []


def split_of(path: Path) -> Split | None:
    """Return the split that the name of a file states."""
    word = _SPLIT_WORD.search(path.stem)
    return split_named(word.group()) if word else None


def _family(path: Path) -> str:
    return _SPLIT_WORD.sub("*", path.name, count=1)


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
