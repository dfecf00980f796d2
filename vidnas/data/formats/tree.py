"""A folder as a reader of videos sees it: what is in it, without what systems leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vidnas.data.formats.suffixes import is_image_name, is_video_name

_SYSTEM_FOLDERS = frozenset((
    "__macosx", "__pycache__", "@eadir", "@recycle", "#recycle", "$recycle.bin", "lost+found",
    "recycler", "system volume information", "thumbs", "thumbnails",
))  # fmt: skip
_SYSTEM_FILES = frozenset(("desktop.ini", "ehthumbs.db", "thumbs.db", "icon\r"))
# What a study, a model, a training run and a cache of clips hold: names that higher floors give.
_OURS = (
    {"study.db"},
    {"config.yaml", "request.json"},
    {"model.json"},
    {"training.checkpoint"},
    {"index.json"},
)


@dataclass(frozen=True)
class Folder:
    """A folder with what is in it, in order of name; links are followed, unless in a circle."""

    path: Path
    clips: tuple[Path, ...] = ()
    """Videos that are directly in it: files, or folders of frames."""
    images: int = 0
    """Number of images that are directly in it."""
    others: tuple[Path, ...] = ()
    """Files that are known neither as videos nor as images."""
    folders: tuple[Folder, ...] = ()
    trouble: tuple[str, ...] = ()
    """What could not be read, and why."""
    is_ours: bool = False
    """Whether it is a study, a model or a cache."""

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def populated(self) -> tuple[Folder, ...]:
        """The sub-folders with a clip in them, or below."""
        return tuple(folder for folder in self.folders if folder.has_clips)

    @property
    def has_clips(self) -> bool:
        """Whether there is a clip in it, or below."""
        return bool(self.clips) or any(folder.has_clips for folder in self.folders)

    def walk(self) -> Iterator[Folder]:
        """Yield the folder and all below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_clips(self) -> list[Path]:
        """Return the clips in it and below, in order."""
        return sorted(clip for folder in self.walk() for clip in folder.clips)


def scan(path: Path) -> Folder:
    """Return what is in a folder, without hidden and system folders."""
    return _scan(path, frozenset())


def frames_as_clips(folder: Folder) -> Folder:
    """Return the folder with sub-folders that hold two images or more as its clips."""
    frames = [sub for sub in folder.folders if _is_frames(sub)]
    return replace(
        folder,
        clips=tuple(sub.path for sub in frames),
        folders=tuple(frames_as_clips(sub) for sub in folder.folders if not _is_frames(sub)),
    )


def _is_frames(folder: Folder) -> bool:
    return folder.images >= 2 and not folder.clips and not folder.folders


def _scan(path: Path, above: frozenset[tuple[int, int]]) -> Folder:
    try:
        status = path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return Folder(path, trouble=(f"{path} is a link to a folder that it lies in",))
        with os.scandir(path) as listing:
            inside = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        return Folder(path, trouble=(f"{path}: {error.strerror}",))
    clips, others, folders, trouble, images = [], [], [], [], 0
    for item in inside:
        here = path / item.name
        if item.name.startswith("."):
            continue
        kind = _kind(item)
        if kind == "folder":
            if item.name.lower() not in _SYSTEM_FOLDERS:
                folders.append(_scan(here, above | {identity}))
        elif kind != "file":
            trouble.append(f"{here} is {kind}")
        elif is_video_name(item.name):
            clips.append(here)
        elif is_image_name(item.name):
            images += 1
        elif item.name.lower() not in _SYSTEM_FILES:
            others.append(here)
    names = {item.name for item in inside}
    scanned = Folder(path, tuple(clips), images, tuple(others), tuple(folders), tuple(trouble))
    # A data set may hold an index.json, too: what holds videos or frames is no folder of ours.
    ours = above and any(marks <= names for marks in _OURS)
    if ours and not any(sub.clips or sub.images >= 2 for sub in scanned.walk()):
        return Folder(path, is_ours=True)
    return scanned


def _kind(item: os.DirEntry[str]) -> str:
    """Return "file" or "folder" for what can be used, otherwise what it is."""
    try:
        if item.is_dir():
            return "folder"
        if item.is_file():
            return "file"
    except OSError as error:
        return f"out of reach ({error.strerror})"
    return "a broken link" if item.is_symlink() else "neither a file nor a folder"
