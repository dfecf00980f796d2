"""What a format is, and what reading one yields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vidnas.data.splits import Split


@dataclass(frozen=True)
class Entry:
    """A labelled video, or a span of one, as a source names it."""

    path: Path
    labels: tuple[str, ...]
    """One class, or all that the video shows where a source gives several."""
    split: Split | None
    """None if the source does not say."""
    group: str | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Reading:
    """What a source holds."""

    entries: tuple[Entry, ...]
    remarks: tuple[str, ...] = ()
    """What was decided while reading that a person should know."""
    multi_label: bool = False
    """Whether a video may show any number of classes, instead of exactly one."""


@dataclass(frozen=True)
class Format:
    """A layout of labelled videos on disk."""

    description: str
    """What to give, in words that complete "give ..."."""
    recognises: Callable[[Path], bool]
    """Whether an existing path has this layout."""
    read: Callable[[Path], Reading]
    """Return what a source holds; raise `UserError` if it is bad."""
