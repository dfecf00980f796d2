"""The video files that people mean by a file, a folder or a pattern."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from vidnas.core.text import cause_of
from vidnas.data.reading import IMAGE_SUFFIXES, VIDEO_SUFFIXES, VideoError


@dataclass(frozen=True)
class VideoFiles:
    """The files that were found, and what was not."""

    paths: tuple[Path, ...]
    """Each once, in the order in which they were named; those of a folder by name."""
    problems: tuple[VideoError, ...]


def find_videos(named: Iterable[Path]) -> VideoFiles:
    """Find the videos that are meant by files, by folders at any depth, and by patterns.

    A file is taken whatever its name ends in, and a pattern such as `clips/**/*.mp4` only where
    there is no file of that very name. What is hidden within folders is left out. A folder of
    images, without any video, is the video whose frames they are.
    """
    paths: dict[Path, None] = {}
    problems: list[VideoError] = []
    for path in named:
        matches = [path] if _exists(path) else _matching(path)
        found = [video for match in matches for video in _videos(match, problems)]
        if not found and not any(one.path == path for one in problems):
            missing = "there are no videos in it" if matches else "no such file or folder"
            problems.append(VideoError(path, missing))
        paths |= dict.fromkeys(found)
    return VideoFiles(tuple(paths), tuple(problems))


def _matching(pattern: Path) -> list[Path]:
    # pathlib's own takes no absolute pattern.
    return sorted(map(Path, glob(str(pattern), recursive=True)))  # noqa: PTH207


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, say
        return False


def _videos(path: Path, problems: list[VideoError]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return

    def note(error: OSError) -> None:
        problems.append(VideoError(Path(error.filename or path), cause_of(error)))

    visited: set[str] = set()
    found = False
    for parent, folders, files in os.walk(path, onerror=note, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # a link back to where we come from
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            video = Path(parent, name)
            if video.suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                found = True
                yield video
    if not found and _holds_images(path):
        yield path


def _holds_images(folder: Path) -> bool:
    with suppress(OSError):
        return any(
            one.suffix.lower() in IMAGE_SUFFIXES and one.name[0] != "." for one in folder.iterdir()
        )
    return False
