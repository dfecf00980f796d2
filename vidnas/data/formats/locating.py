"""Where the videos are that a file of annotations names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.core.text import counted, escaped
from vidnas.data.formats.base import FEW, Entry, Reading
from vidnas.data.formats.tree import scan
from vidnas.data.splits import Split, split_named

# Folders beside annotations that usually hold the videos, and folders of annotations alone.
_VIDEO_PLACES = re.compile(
    r"20bn|charades|clip|data|frame|hmdb|image|jester|kinetics|moments|something|test|train|ucf"
    r"|val|video",
    re.IGNORECASE,
)
_ANNOTATION_PLACES = re.compile(
    r"annot|charades$|csv|json|label|list|meta|split|test_?train", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of annotations: an entry whose video is still to be found."""

    video: str
    """The path or the name of the video, as it is published."""
    labels: tuple[str, ...]
    """Empty where the makers keep the label of a test video to themselves."""
    split: Split | None = None
    group: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    images_fps: float | None = None
    is_unknown: bool = False
    """Whether nobody says which classes it shows: where there may be several, a video without a
    label otherwise shows none."""

    def at(self, path: Path) -> Entry:
        """Return the entry, with its video at this path."""
        return Entry(
            path,
            self.labels,
            self.split,
            self.group,
            self.start_s,
            self.end_s,
            self.images_fps,
        )


class _Found(NamedTuple):
    """A video, and the split that the folders around it name."""

    path: Path
    split: Split | None


class Videos:
    """The folders that the videos of some annotations may be in."""

    def __init__(self, annotations: Path, videos: Path | None, *, only_home: bool = False) -> None:
        """Look in `videos` if it is given, otherwise beside the annotations, a file or a folder.

        Beside means in their folder and in those where videos usually are, unless `only_home`.

        Raises:
            UserError: `videos` is no folder.
        """
        if videos is not None and not videos.is_dir():
            raise UserError(f"{videos} is no folder; give the one with the videos.")
        home = annotations if annotations.is_dir() else annotations.parent
        self._home = videos or home
        self._folders = [self._home]
        if videos is None and not only_home:
            self._folders += _usual(home)
            if _ANNOTATION_PLACES.search(home.resolve().name):
                self._folders += [home.parent, *_usual(home.parent)]
        self._splits = {folder: split_named(folder.name) for folder in self._folders}
        self._named: dict[str, list[_Found]] | None = None

    def at(self, path: str, split: Split | None) -> Path | None:
        """Return the file, or the folder of frames, with this relative or absolute path.

        Videos of two splits may have the same name: folders of another split are tried last.
        """
        for folder in sorted(self._folders, key=lambda one: _is_other(self._splits[one], split)):
            found = folder / path
            if os.access(found, os.F_OK):  # unlike `exists`, takes names that are too long
                self._folders.remove(folder)
                self._folders.insert(0, folder)
                return found
        return None

    def called(self, name: str, split: Split | None, folder: str = "") -> Path | None:
        """Return the video with this name, whatever its suffix and wherever it lies.

        Args:
            name: of a file without its suffix, or of a folder of frames.
            split: in which it is wanted, if there are several.
            folder: name of the folder in which it is wanted, if there are several in that split.
        """
        if self._named is None:
            self._named = self._index()
        wanted = folder.replace(" ", "_")

        def rank(found: _Found) -> tuple[bool, bool]:
            beside = found.path.parent.name.replace(" ", "_") == wanted
            return _is_other(found.split, split), not beside

        best = min(self._named.get(name, []), key=rank, default=None)
        return best and best.path

    def _index(self) -> dict[str, list[_Found]]:
        """Return the videos and folders of frames by name, from the first folder with any."""
        named: dict[str, list[_Found]] = defaultdict(list)
        home, *others = self._folders
        for folder in (home, *(other for other in others if other.parent != home)):
            if folder == home.parent:
                continue  # others are its usual sub-folders
            for sub in scan(folder).walk():
                # The name of the home itself says nothing: everything is in it.
                split = _split_of(sub.path.relative_to(home if folder == home else folder.parent))
                if sub.images >= 2:
                    named[sub.name].append(_Found(sub.path, split))
                for clip in sub.clips:
                    named[clip.stem].append(_Found(clip, split))
            if folder == home and named:
                break
        return dict(named)

    def reading(
        self,
        source: Path,
        rows: Iterable[Row],
        locate: Callable[[Row], Path | None],
        *,
        layout: str,
        remarks: Iterable[str] = (),
        multi_label: bool = False,
    ) -> Reading:
        """Return the entries whose videos are there, and say how many are not.

        Raises:
            UserError: none are there.
        """
        entries: list[Entry] = []
        missing: list[Row] = []
        unlabelled = 0
        for row in rows:
            if row.is_unknown or not (row.labels or multi_label):
                unlabelled += 1
            elif path := locate(row):
                entries.append(row.at(path))
            else:
                missing.append(row)
        said = list(remarks)
        if unlabelled:
            said.append(f"{source}: left out rows without a label ({unlabelled:,}).")
        if missing:
            total = len(missing) + len(entries)
            names = listed([escaped(row.video) for row in missing], FEW)
            if not entries:
                raise UserError(
                    f"{source}: none of the {total:,} videos are there: {names}; put them into "
                    f"{self._home}, or name their folder with --video-folder."
                )
            of = f"of {total:,} files"
            gone = counted(
                len(missing), f"{of} does not exist and is", f"{of} do not exist and are"
            )
            said.append(f"{source}: {gone} left out: {names}.")
        lost = frozenset(label for row in missing for label in row.labels)
        return Reading(tuple(entries), tuple(said), multi_label, layout, lost)


def _is_other(own: Split | None, split: Split | None) -> bool:
    """Return whether a folder belongs to another split than the one that is wanted."""
    return None not in (own, split) and own != split


def _split_of(folder: Path) -> Split | None:
    """Return the split that the outermost folder names: those within may be classes."""
    return next(filter(None, map(split_named, folder.parts)), None)


def _usual(home: Path) -> list[Path]:
    try:
        inside = sorted(home.iterdir())
    except OSError:
        return []
    return [sub for sub in inside if _VIDEO_PLACES.search(sub.name) and sub.is_dir()]
