"""Labelled videos: a folder of class folders, or a CSV; every video in one split."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vidnas.core import UserError
from vidnas.data.reading import VIDEO_SUFFIXES
from vidnas.data.splits import SPLITS, Split, assign_splits, split_named

REQUIRED_COLUMNS = ("path", "label")
OPTIONAL_COLUMNS = ("split", "group", "start_s", "end_s")
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True)
class Video:
    """One labelled video, or one labelled span of a video."""

    path: Path
    label: int
    """Index into the data set's classes."""
    split: Split
    group: str | None = None
    """What must not be in two splits: a person, a place, a source video."""
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Dataset:
    """Labelled videos of two or more classes, in splits."""

    source: Path
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    remarks: tuple[str, ...] = ()
    """What was decided while reading that a person should know."""

    @property
    def folder(self) -> Path:
        """The folder that a data set is moved with."""
        return self.source if self.source.is_dir() else self.source.parent


@dataclass(frozen=True)
class _Entry:
    """A video before its class has a number and it has a split."""

    path: Path
    label: str
    split: Split | None
    group: str | None = None
    start_s: float | None = None
    end_s: float | None = None


def load_dataset(source: Path, *, seed: int = 0) -> Dataset:
    """Read a folder of class folders, or a CSV with `path,label[,split,group,start_s,end_s]`.

    A folder may hold the class folders in folders `train`, `val` and `test`. Paths in a CSV are
    relative to it. Splits that are not given are drawn: 70 % train, 15 % val, 15 % test, by group
    where there are groups, else class by class.

    Args:
        source: the folder or the CSV.
        seed: for the splits that are drawn.

    Raises:
        UserError: nothing there, fewer than two classes, too few clips, or a bad CSV.
    """
    if source.is_dir():
        entries, remarks = _read_folder(source)
    elif source.is_file():
        entries, remarks = _read_csv(source)
    else:
        raise UserError(f"{source}: no such file or folder; give a folder of clips or a CSV.")
    if not entries:
        raise UserError(
            f"{source}: no clips were found; give a folder with one sub-folder of videos for each "
            "class, or a CSV with the columns path,label."
        )
    classes = tuple(sorted({entry.label for entry in entries}))
    if len(classes) < 2:
        raise UserError(
            f"{source}: all clips are of one class, '{classes[0]}'; a network needs two or more "
            "classes to tell apart."
        )
    labels = [classes.index(entry.label) for entry in entries]
    splits, split_remarks = assign_splits(
        source,
        classes,
        labels,
        given=[entry.split for entry in entries],
        groups=[entry.group for entry in entries],
        seed=seed,
    )
    videos = tuple(
        Video(entry.path, label, split, entry.group, entry.start_s, entry.end_s)
        for entry, label, split in zip(entries, labels, splits, strict=True)
    )
    return Dataset(source, classes, videos, (*remarks, *split_remarks))


def _read_folder(folder: Path) -> tuple[list[_Entry], list[str]]:
    subfolders = _subfolders(folder)
    splits = [split_named(subfolder.name) for subfolder in subfolders]
    if subfolders and all(splits):
        read = [
            _read_class_folders(subfolder, split)
            for subfolder, split in zip(subfolders, splits, strict=True)
        ]
        return [e for entries, _ in read for e in entries], [r for _, rem in read for r in rem]
    return _read_class_folders(folder, None)


def _read_class_folders(folder: Path, split: Split | None) -> tuple[list[_Entry], list[str]]:
    entries, remarks = [], []
    for subfolder in _subfolders(folder):
        paths = sorted(p for p in subfolder.rglob("*") if _is_video(p))
        entries += [_Entry(path, subfolder.name, split) for path in paths]
        if not paths:
            remarks.append(f"{subfolder}: no videos in it; the folder is left out.")
    return entries, remarks


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "." and path.is_file()


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _read_csv(source: Path) -> tuple[list[_Entry], list[str]]:
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
            f"{missing[0]}; paths are taken relative to the folder of the CSV."
        )
    return entries, remarks


def _check_columns(source: Path, columns: list[str]) -> list[str]:
    known = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    extra = [column for column in columns if column not in known]
    for column in extra:
        for meant in difflib.get_close_matches(column.lower(), known, n=1, cutoff=0.75):
            raise UserError(
                f"{source}: unknown column '{column}'; rename it to '{meant}' if that is what it "
                "holds, or else to something less like it."
            )
    for column in REQUIRED_COLUMNS:
        if column not in columns:
            raise UserError(
                f"{source}: no column '{column}' among '{','.join(columns)}'; the first line must "
                "name the columns path,label and, if wanted, split,group,start_s,end_s, separated "
                "by commas."
            )
    if len(set(columns)) < len(columns):
        raise UserError(f"{source}: a column stands twice in '{','.join(columns)}'; remove one.")
    if extra:
        return [f"{source}: columns that are not used: {', '.join(extra)}."]
    return []


def _read_row(source: Path, line: int, row: dict[str, str | None]) -> _Entry:
    def cell(column: str, parse: Callable[[str], _Parsed | None]) -> _Parsed | None:
        text = (row.get(column) or "").strip()
        if not text:
            return None
        value = parse(text)
        if value is None:
            raise UserError(f"{source}, line {line}: {column} '{text}' {_CURES[column]}.")
        return value

    for column in REQUIRED_COLUMNS:
        if not (row.get(column) or "").strip():
            raise UserError(f"{source}, line {line}: {column} is empty; fill it in.")
    entry = _Entry(
        path=source.parent / str(row["path"]).strip(),
        label=str(row["label"]).strip(),
        split=cell("split", split_named),
        group=cell("group", str),
        start_s=cell("start_s", _seconds),
        end_s=cell("end_s", _seconds),
    )
    if entry.end_s is not None and entry.end_s <= (entry.start_s or 0):
        raise UserError(
            f"{source}, line {line}: end_s {entry.end_s:g} is not after start_s "
            f"{entry.start_s or 0:g}; mend the times."
        )
    return entry


_CURES = {
    "split": f"is no split; use {', '.join(SPLITS)} or leave the cell empty",
    "start_s": "is no time; give seconds from the start of the video, such as 1.5",
    "end_s": "is no time; give seconds from the start of the video, such as 1.5",
}


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
