"""Which videos a model has seen, so that nobody measures it on those by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Self

from vidnas.core import UserError, bounds
from vidnas.core.bounds import bounded_bytes
from vidnas.core.files import replacing
from vidnas.data.cache import ClipCache
from vidnas.data.labelled import file_of

_HEAD = "# Videos that this model was trained on, and that chose it (val), by their content.\n"
_LINE = re.compile("(train|val) ([0-9a-f]+)")


@dataclass(frozen=True)
class SeenVideos:
    """The files, by their content, of the videos that a model learned from.

    A span of a video counts as its whole file: spans may overlap, and show the same scene.
    """

    trained: frozenset[str]
    """Of the training split."""
    validated: frozenset[str]
    """Of the split that chose the model."""

    @classmethod
    def of(cls, cache: ClipCache) -> Self:
        """Return what a network has seen that was trained and chosen on these clips."""

        def files(videos: Iterable[int]) -> frozenset[str]:
            return frozenset(file_of(cache.contents[video]) for video in videos)

        return cls(files(cache.videos("train")), files(cache.videos("val")))

    def write(self, path: Path) -> None:
        """Write one line per file, whole or not at all.

        Raises:
            UserError: the list would be longer than what is read.
        """
        lines = [
            f"{split} {file}\n"
            for split, files in (("train", self.trained), ("val", self.validated))
            for file in sorted(files)
        ]
        text = "".join([_HEAD, *lines])
        if len(text) > bounds.LISTING.size_bytes:
            raise UserError(
                f"{path} would list {len(lines):,} files, more than can be read again; train on "
                "fewer."
            )
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="ascii")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            UserError: the file is damaged, or longer than any list.
        """
        text = bounded_bytes(path, bounds.LISTING).decode("latin-1")
        found: dict[str, set[str]] = {"train": set(), "val": set()}
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise UserError(f"{path} is damaged in line {number}; copy it again.")
            found[match[1]].add(match[2])
        return cls(frozenset(found["train"]), frozenset(found["val"]))
