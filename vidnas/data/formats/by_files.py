"""How most formats are read: files of rows, one or more per split, and videos beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from vidnas.data.formats.annotations import IsMine, with_siblings
from vidnas.data.formats.base import Reading, names_of
from vidnas.data.formats.locating import Row, Videos


def reader_of(
    is_mine: IsMine,
    parse: Callable[[Path], Iterable[Row]],
    locate: Callable[[Videos, Row], Path | None],
    layout: str,
) -> Callable[[Path, Path | None], Reading]:
    """Return the `read` of a format.

    Args:
        is_mine: whether a file is of the format.
        parse: yields the rows of a file.
        locate: returns where the video of a row is, if it is anywhere.
        layout: what the files hold, in words that their names follow.
    """

    def read(source: Path, folder: Path | None) -> Reading:
        files, remarks = with_siblings(source, is_mine)
        videos = Videos(files[0], folder)
        return videos.reading(
            source,
            (row for path in files for row in parse(path)),
            lambda row: locate(videos, row),
            layout=f"{layout} {names_of(files)}",
            remarks=remarks,
        )

    return read
