"""Which videos a model has seen, so that nobody measures it on those by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Self

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.quantities import format_bytes
from vidnas.data.cache import ClipCache
from vidnas.data.labelled import file_of

_HEAD = "# Videos that this model was trained on, and that chose it (val), by their content.\n"
_LINE = re.compile("(train|val) ([0-9a-f]+)")
_MOST_BYTES = 16_000_000


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
        """Write one line per file, whole or not at all."""
        lines = [
            f"{split} {file}\n"
            for split, files in (("train", self.trained), ("val", self.validated))
            for file in sorted(files)
        ]
        with replacing(path) as temporary:
            temporary.write_text("".join([_HEAD, *lines]), encoding="ascii")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            UserError: the file is damaged.
        """
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(
                f"{path} is larger than {format_bytes(_MOST_BYTES)}, which no list of videos is; "
                "copy it again."
            )
        found: dict[str, set[str]] = {"train": set(), "val": set()}
        for number, line in enumerate(path.read_bytes().decode("latin-1").splitlines(), 1):
            if line.startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise UserError(f"{path} is damaged in line {number}; copy it again.")
            found[match[1]].add(match[2])
        return cls(frozenset(found["train"]), frozenset(found["val"]))
