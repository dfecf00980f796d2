"""A folder with one sub-folder of videos per class, with or without folders for the splits.

The folders that hold videos decide: `class/video`, `split/class/video` or `class/split/video`.
Instead of videos there may be folders with one image per frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.core.text import counted
from vidnas.data.formats.base import FEW, Entry, Format, Reading
from vidnas.data.formats.tree import Folder, frames_as_clips, scan
from vidnas.data.splits import Split, split_named


@dataclass(frozen=True)
class _Layout:
    """Which folders hold the clips of which class and split."""

    words: str
    parts: list[tuple[str, Split | None, Folder]]
    """Class, split, and the folder of its clips."""
    unused: tuple[Folder, ...] = ()
    """Folders with clips that are not read."""
    remarks: tuple[str, ...] = ()


def _read(root: Folder, kind: str, videos: Path | None) -> Reading:
    if videos is not None:
        raise UserError(
            f"--video-folder {videos} is for annotations, but {root.path} is a folder of clips; "
            "leave it out, or give a file of annotations."
        )
    layout = _layout(root)
    entries = [
        Entry(clip, (label,), split)
        for label, split, folder in layout.parts
        for clip in folder.all_clips()
    ]
    words = layout.words.format(kind=kind)
    return Reading(tuple(entries), tuple(_remarks(root, layout)), layout=words)


def _layout(root: Folder) -> _Layout:
    inside = root.populated
    splits = [folder for folder in inside if split_named(folder.name)]
    if splits:
        return _in_splits(root, inside, splits)
    if len(inside) == 1 and any(split.populated for split in _called_splits(inside[0])):
        layout = _layout(inside[0])
        return replace(layout, words=f"{layout.words}, all in {inside[0].name}")
    sets = [folder for folder in inside if any(sub.populated for sub in _splits_in(folder))]
    if sets:
        raise UserError(
            f"{root.path}: {_list(sets)} have folders for splits, each with folders in it, like "
            f"data sets of their own; give one of them, such as {sets[0].path}."
        )
    return _in_classes(inside)


def _called_splits(folder: Folder) -> tuple[Folder, ...]:
    return tuple(sub for sub in folder.populated if split_named(sub.name))


def _splits_in(folder: Folder) -> tuple[Folder, ...]:
    """Return the sub-folders if all with clips are called like splits, and no clip is beside."""
    called = _called_splits(folder)
    return called if not folder.clips and called == folder.populated else ()


def _in_classes(inside: Sequence[Folder]) -> _Layout:
    parts: list[tuple[str, Split | None, Folder]] = []
    remarks = []
    words = "folders of {kind}, one per class"
    for folder in inside:
        splits = _splits_in(folder)
        parts += [(folder.name, split_named(sub.name), sub) for sub in splits]
        if splits:
            words = "folders for classes, and in them {kind} in folders for splits"
            continue
        parts.append((folder.name, None, folder))
        if called := _called_splits(folder):
            remarks.append(
                f"{folder.path}: {_list(called)} in it are called like splits, but clips lie "
                "beside them; all are read as clips of the class, without a split."
            )
    return _Layout(words, parts, remarks=tuple(remarks))


def _in_splits(root: Folder, inside: Sequence[Folder], splits: Sequence[Folder]) -> _Layout:
    holders = [folder for folder in splits if folder.populated]
    if not holders and len(splits) == len(inside):
        raise UserError(
            f"{root.path}: {_list(splits)} hold clips, but no folders for classes; make one "
            "folder per class in each, or give a CSV (path,label,split)."
        )
    others = [folder for folder in inside if folder not in splits]
    if others and len({split_named(folder.name) for folder in holders}) < 2:
        raise UserError(
            f"{root.path}: '{splits[0].name}' is called like a split, but {_list(others)} beside "
            f"it is not; rename it if it is a class (to {splits[0].name}_class, say), otherwise "
            "move the others away, or give a CSV (path,label,split)."
        )
    parts: list[tuple[str, Split | None, Folder]] = []
    for folder in holders:
        split = split_named(folder.name)
        parts += [(label.name, split, label) for label in _classes_in(folder)]
    words = f"folders for {_list(holders)}, and in them folders of {{kind}}, one per class"
    unused = tuple(folder for folder in inside if folder not in holders)
    return _Layout(words, parts, unused)


def _classes_in(split: Folder) -> tuple[Folder, ...]:
    inside = split.populated
    named = [folder for folder in inside if split_named(folder.name)]
    if len(inside) == 1 and named and named[0].populated:
        return _classes_in(named[0])  # unpacked into a folder of the same name
    if named:
        raise UserError(
            f"{named[0].path} is called like a split where folders for classes are expected; "
            "rename it if it is a class, otherwise move it away, or give a CSV (path,label,split)."
        )
    return inside


def _list(folders: Iterable[Folder]) -> str:
    names = [folder.name for folder in folders]
    return listed(names, FEW)


def _remarks(root: Folder, layout: _Layout) -> list[str]:
    """Name what is in the folder and not used."""
    read = [folder for _, _, folder in layout.parts]
    known = {clip for folder in (*read, *layout.unused) for clip in folder.all_clips()}
    loose = [clip for clip in root.all_clips() if clip not in known]
    folders = list(root.walk())
    trouble = [reason for folder in folders for reason in folder.trouble]
    others = [path for folder in folders for path in folder.others]
    empty = [folder.path for folder in _empty(root)]
    images = sum(folder.images for folder in folders)

    def names(paths: list[Path]) -> str:
        return listed([str(path.relative_to(root.path)) for path in paths], FEW)

    remarks = list(layout.remarks)
    for folder in layout.unused:
        reason = "there are no folders for classes in it" if folder.clips else "it is no split"
        count = counted(len(folder.all_clips()), "clip")
        remarks.append(f"{folder.path} is left out ({count}): {reason}.")
    left_out = {
        "clips beside the folders of classes": loose,
        "folders without videos": empty,
        "files that are no videos by their suffix": others,
    }
    for what, paths in left_out.items():
        if paths:
            remarks.append(f"{root.path}: left out {what} ({len(paths):,}): {names(paths)}.")
    if images:
        remarks.append(f"{root.path}: left out images ({images:,}).")
    if trouble:
        remarks.append(f"Left out what cannot be read ({len(trouble):,}): {listed(trouble, FEW)}.")
    return remarks


def _empty(folder: Folder) -> list[Folder]:
    """Return the topmost folders without clips; what could not be read is said elsewhere."""
    found = []
    for sub in folder.folders:
        if sub.has_clips:
            found += _empty(sub)
        elif not sub.is_ours and not sub.trouble and not _holds_only_ours(sub):
            found.append(sub)
    return found


def _holds_only_ours(folder: Folder) -> bool:
    return bool(folder.folders) and all(
        sub.is_ours or _holds_only_ours(sub) for sub in folder.folders
    )


def _scan(source: Path) -> Folder:
    if not source.is_dir():
        raise UserError(f"{source} is no folder; give one, or another --format.")
    return scan(source)


def _read_videos(source: Path, videos: Path | None) -> Reading:
    return _read(_scan(source), "videos", videos)


def _read_frames(source: Path, videos: Path | None) -> Reading:
    return _read(frames_as_clips(_scan(source)), "frames", videos)


def _holds_frames(source: Path) -> bool:
    if not source.is_dir():
        return False
    root = scan(source)
    return not root.has_clips and frames_as_clips(root).has_clips


CLASS_FOLDERS = Format(
    name="folders",
    description="a folder with one sub-folder of videos per class",
    recognises=Path.is_dir,
    read=_read_videos,
)
FRAME_FOLDERS = Format(
    name="frames",
    description="a folder with one sub-folder per class that holds folders of frames",
    recognises=_holds_frames,
    read=_read_frames,
)
