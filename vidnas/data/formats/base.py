"""What a format is, and what reading one yields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidnas.core.names import listed
from vidnas.data.splits import Split

FEW = 3
"""How many of many names are said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A labelled video, or a span of one, as a source names it."""

    path: Path
    """A file, or a folder with one image per frame."""
    labels: tuple[str, ...]
    """One class, or all that the video shows where a source gives several."""
    split: Split | None
    """None if the source does not say."""
    group: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    images_fps: float | None = None
    """The rate at which a folder of images was recorded, if the source says it."""


@dataclass(frozen=True)
class Reading:
    """What a source holds."""

    entries: tuple[Entry, ...]
    remarks: tuple[str, ...] = ()
    """What was decided while reading that a person should know."""
    multi_label: bool = False
    """Whether a video may show any number of classes, instead of exactly one."""
    layout: str = ""
    """What the source was recognised by, in words that complete "read as NAME: ..."."""
    lost: frozenset[str] = frozenset()
    """Classes of which videos are missing, or cannot be read."""


@dataclass(frozen=True)
class Format:
    """A layout of labelled videos on disk."""

    name: str
    """What `--format` calls it."""
    description: str
    """What to give, in words that complete "give ..."."""
    recognises: Callable[[Path], bool]
    """Whether an existing path has this layout, by its content."""
    read: Callable[[Path, Path | None], Reading]
    """Return what a source holds, with its videos in the folder that is given beside it, or where
    they are usual; raise `UserError` if it is bad."""
    published: bool = False
    """Whether these are the annotations of a data set as its makers publish them."""


def names_of(paths: Sequence[Path]) -> str:
    """Return the names of the first few files."""
    return listed([path.name for path in paths], FEW)
