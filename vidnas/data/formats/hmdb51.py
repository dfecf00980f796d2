"""HMDB51: a file per class and split, `<class>_test_split<1-3>.txt`, with lines `<video> 0|1|2`.

1 is training, 2 testing, and 0 is not used in this split. The videos are in folders by class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import Head, annotation_files, read_lines
from vidnas.data.formats.base import Format, Reading
from vidnas.data.formats.locating import Row, Videos
from vidnas.data.splits import Split

_NAME = re.compile(r"(?P<label>.+)_test_split(?P<number>\d+)")
_LINE = re.compile(r"(?P<video>.*\S)\s+(?P<use>[012])")
_SPLITS: dict[str, Split] = {"1": "train", "2": "test"}


def parse(path: Path) -> Iterator[Row | None]:
    """Yield the rows of the file of one class and split; None for what the split does not use.

    Raises:
        UserError: a line cannot be read, or the name of the file does not tell the class.
    """
    named = _NAME.fullmatch(path.stem)
    if named is None:
        raise UserError(f"{path}: the file must be called <class>_test_split<1-3>.txt; rename it.")
    label = named["label"]
    for number, line in read_lines(path):
        read = _LINE.fullmatch(line)
        if read is None:
            raise UserError(
                f"{path}, line {number}: '{line}' is not a video and 0, 1 or 2; correct the line."
            )
        if read["use"] == "0":
            yield None
        else:
            # Clips of one film are in one split of their class, not of all classes.
            film = read["video"].partition(f"_{label}_")[0]
            video = f"{label}/{read['video']}"
            yield Row(video, (label,), _SPLITS[read["use"]], group=f"{label}/{film}")


def _is_mine(head: Head) -> bool:
    return bool(head) and all(map(_LINE.fullmatch, head)) and ".avi " in head[0]


def _of_split(source: Path, number: str | None) -> dict[str, list[Path]]:
    """Return the files of each split, in order of class; the others are no files of splits."""
    splits: dict[str, list[Path]] = {}
    for path in annotation_files(source, _is_mine):
        if named := _NAME.fullmatch(path.stem):
            splits.setdefault(named["number"], []).append(path)
    return splits if number is None else {number: splits.get(number, [])}


def _recognises(source: Path) -> bool:
    return bool(_of_split(source, None))


def _read(source: Path, folder: Path | None) -> Reading:
    given = _NAME.fullmatch(source.stem) if source.is_file() else None
    splits = _of_split(source.parent if source.is_file() else source, given and given["number"])
    if not any(splits.values()):
        raise UserError(f"{source}: there is no file <class>_test_split<1-3>.txt; give its folder.")
    number, files = min(splits.items())
    rows = [row for path in files for row in parse(path)]
    remarks = []
    if len(splits) > 1:
        remarks.append(
            f"{source}: split {number} of {', '.join(sorted(splits))} is read; for another give "
            f"one of its files, such as {max(splits.items())[1][0].name}."
        )
    if None in rows:
        remarks.append(
            f"{source}: left out videos that split {number} does not use ({rows.count(None):,})."
        )
    videos = Videos(files[0], folder)
    return videos.reading(
        source,
        filter(None, rows),
        lambda row: videos.at(row.video, row.split),
        layout=f"{len(files)} files <class>_test_split{number}.txt",
        remarks=remarks,
    )


HMDB51 = Format(
    name="hmdb51",
    description="the split files of HMDB51",
    recognises=_recognises,
    read=_read,
    published=True,
)
