"""ActivityNet, and what is annotated like it: one JSON with a `database` of videos by id.

Each has a `subset` and `annotations`, spans with a label. A span is a clip of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidnas.core import UserError
from vidnas.data.formats.annotations import read_json, read_text, split_of
from vidnas.data.formats.base import Format, Reading
from vidnas.data.formats.locating import Row, Videos
from vidnas.data.splits import split_named


def parse(path: Path) -> Iterator[Row]:
    """Yield the labelled spans of all videos; a video without any has a row without labels.

    Raises:
        UserError: a video cannot be read.
    """
    content = read_json(path)
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict):
        raise UserError(f"{path}: there is no database of videos in it; give another --format.")
    for name, video in database.items():
        try:
            yield from _spans(name, video, path)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: the video '{name}' is not described by a subset and annotations with a "
                "segment and a label; correct it."
            ) from error


def _spans(name: str, video: dict[str, Any], path: Path) -> Iterator[Row]:
    subset = str(video.get("subset") or "")
    split = split_named(subset) if subset else split_of(path)
    if subset and split is None:
        raise ValueError(subset)
    spans = video.get("annotations") or []
    for span in spans:
        start_s, end_s = map(float, span["segment"])
        if not 0 <= start_s < end_s < float("inf"):
            raise ValueError(span)
        yield Row(name, (str(span["label"]),), split, None, start_s, end_s)
    if not spans:
        yield Row(name, (), split)


def _recognises(source: Path) -> bool:
    return bool(_files(source))


def _files(source: Path) -> list[Path]:
    files = [source] if source.is_file() else sorted(source.glob("*.json"))
    return [path for path in files if _is_mine(path)]


def _is_mine(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        text = read_text(path)
    except UserError:
        return False
    # Whole, because the order is free, and the taxonomy that may come first is long.
    return text.lstrip().startswith("{") and '"database"' in text and '"annotations"' in text


def _read(source: Path, folder: Path | None) -> Reading:
    files = [source] if source.is_file() else _files(source)
    if not files:
        raise UserError(f"{source}: there is no JSON file with a database in it; give the file.")
    remarks = []
    if len(files) > 1:
        remarks.append(f"{source}: of {len(files)} files {files[0].name} is read; give another.")
    videos = Videos(files[0], folder)
    return videos.reading(
        source,
        parse(files[0]),
        lambda row: (
            videos.called(row.video, row.split) or videos.called(f"v_{row.video}", row.split)
        ),
        layout=f"a database of videos with annotations in {files[0].name}",
        remarks=remarks,
    )


ACTIVITYNET = Format(
    name="activitynet",
    description="the JSON file of ActivityNet, or one like it",
    recognises=_recognises,
    read=_read,
    published=True,
)
