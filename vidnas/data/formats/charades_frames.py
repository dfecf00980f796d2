"""Lists of frames as PySlowFast reads Charades: a line per frame, with the classes it shows.

`original_vido_id video_id frame_id path labels`, where the misspelling is the published one. A
video is the folder of its frames, and shows the classes of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    read_lines,
    recognised_by,
    split_of,
    with_siblings,
)
from vidnas.data.formats.base import Format, Reading, names_of
from vidnas.data.formats.charades import class_names, named
from vidnas.data.formats.locating import Row, Videos

_HEADERS = tuple(
    f"original_{video}_id video_id frame_id path labels".split() for video in ("vido", "video")
)


def parse(path: Path) -> Iterator[Row]:
    """Yield one row per video, with the codes of the classes: c000, c001 and so on.

    Raises:
        UserError: a line cannot be read.
    """
    videos: dict[str, dict[str, None]] = {}  # the labels, in order, of each folder of frames
    for number, line in read_lines(path):
        cells = line.split()
        if number == 1 and cells in _HEADERS:
            continue
        labels = cells[4].strip('"').split(",") if len(cells) == 5 else ["?"]
        if not all(label.isdecimal() or not label for label in labels):
            raise UserError(
                f"{path}, line {number}: '{line}' is not a video, its number, the number of a "
                'frame, its path and labels such as "0,12"; correct the line.'
            )
        shown = videos.setdefault(str(Path(cells[3]).parent), {})
        shown.update((f"c{int(label):03d}", None) for label in labels if label)
    for video, shown in videos.items():
        yield Row(video, tuple(shown), split_of(path))


def _is_mine(head: Head) -> bool:
    return bool(head) and head[0].split() in _HEADERS


def _read(source: Path, folder: Path | None) -> Reading:
    files, remarks = with_siblings(source, _is_mine)
    rows = [row for path in files for row in parse(path)]
    if not any(row.labels for row in rows):
        raise UserError(f"{source}: no frame has a label; give the file that has the labels.")
    names = class_names(files[0].parent)
    videos = Videos(files[0], folder)
    return videos.reading(
        source,
        (named(row, names) for row in rows),
        lambda row: videos.at(row.video, row.split),
        layout=f"lists of frames and their labels, {names_of(files)}",
        remarks=remarks,
        multi_label=True,
    )


CHARADES_FRAMES = Format(
    name="charades-frames",
    description="the lists of frames that PySlowFast reads for Charades",
    recognises=recognised_by(_is_mine),
    read=_read,
    published=True,
)
