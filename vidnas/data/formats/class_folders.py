"""A folder with one sub-folder of videos per class, or such folders in `train`, `val`, `test`."""

from __future__ import annotations

from pathlib import Path

from vidnas.data.formats.base import Entry, Format, Reading
from vidnas.data.reading import VIDEO_SUFFIXES
from vidnas.data.splits import Split, split_named


def _read(folder: Path) -> Reading:
    subfolders = _subfolders(folder)
    splits = [split_named(subfolder.name) for subfolder in subfolders]
    if not subfolders or not all(splits):
        splits, subfolders = [None], [folder]
    entries, remarks = [], []
    for subfolder, split in zip(subfolders, splits, strict=True):
        found, remarked = _read_classes(subfolder, split)
        entries += found
        remarks += remarked
    return Reading(tuple(entries), tuple(remarks))


def _read_classes(folder: Path, split: Split | None) -> tuple[list[Entry], list[str]]:
    entries, remarks = [], []
    for subfolder in _subfolders(folder):
        paths = sorted(path for path in subfolder.rglob("*") if _is_video(path))
        entries += [Entry(path, (subfolder.name,), split) for path in paths]
        if not paths:
            remarks.append(f"{subfolder}: there are no videos in it; the folder is left out.")
    return entries, remarks


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "." and path.is_file()


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


CLASS_FOLDERS = Format(
    description="a folder with one sub-folder of videos per class",
    recognises=Path.is_dir,
    read=_read,
)
