"""Timelines as files: CSV for tables and plots, JSON for programs, SRT for players of videos."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.text import escaped
from vidnas.deploy.timeline import Event, Timeline

_TIME_DIGITS, _SCORE_DIGITS = 3, 4
_HEAD_CHARACTERS = 1 << 20
_NAME_BYTES = 200
"""File systems take 255, of which numbers, suffixes and temporary names need some."""
_CLOCK = r"\d{2,}:\d\d:\d\d,\d{3}"
_OWN = {
    ".csv": re.compile(r"time_s,.*?\n\d+\.\d{3}(,\d\.\d{4})+\n", re.DOTALL),
    ".json": re.compile(r'\{"duration_s": [\d.]+, "window_s": [\d.]+, "smoothing_s": '),
    ".srt": re.compile(rf"\Z|1\n{_CLOCK} --> {_CLOCK}\n.* \d{{1,3}}%\n"),
}
"""How the files begin that an earlier run wrote, by what their names end in."""


class NotOurs(UserError):
    """A file in the place of one that is to be written, which somebody else wrote."""


class TimelineFolder:
    """A folder that timelines are written to, three files a video, named as the video is."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if there is none.

        Raises:
            UserError: a file is in its place.
        """
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; give a folder to write timelines to.")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._taken: set[str] = set()

    def files_of(self, video: Path) -> TimelineFiles:
        """Return the place of a video's files, where there may be those of an earlier run.

        Videos of one name, of several folders, or of long names that begin alike, are numbered.

        Raises:
            NotOurs: somebody else's file is there.
        """
        name = _name_of(video)
        number, wanted = 1, name.casefold()
        while wanted in self._taken:
            number += 1
            wanted = f"{name}-{number}".casefold()
        self._taken.add(wanted)
        files = TimelineFiles(self._folder, name if number == 1 else f"{name}-{number}")
        for path in map(files.path, _OWN):
            if (path.exists() or path.is_symlink()) and not _is_own(path):
                raise NotOurs(
                    f"{video}: its timeline would replace {path}, which vidnas did not write; "
                    "choose another folder for --out, or move that file."
                )
        return files


@dataclass(frozen=True)
class TimelineFiles:
    """The three files of a video: NAME.csv, NAME.json and NAME.srt."""

    folder: Path
    name: str

    def path(self, suffix: str) -> Path:
        """Return the file whose name ends in this."""
        return self.folder / f"{self.name}{suffix}"

    def write(self, timeline: Timeline) -> None:
        """Write them."""
        with replacing(self.path(".csv")) as path:
            _write_csv(path, timeline)
        with replacing(self.path(".json")) as path:
            text = json.dumps(timeline_record(timeline)) + "\n"
            path.write_text(text, encoding="utf-8")
        with replacing(self.path(".srt")) as path:
            path.write_text(subtitles(timeline.events), encoding="utf-8", newline="\n")


def timeline_record(timeline: Timeline) -> dict[str, Any]:
    """Return the timeline as JSON has it; scores have a row for each of `times_s`."""
    return {
        "duration_s": round(timeline.duration_s, _TIME_DIGITS),
        "window_s": round(timeline.window_s, _TIME_DIGITS),
        "smoothing_s": timeline.smoothing_s,
        "threshold": timeline.threshold,
        "classes": timeline.classes,
        "times_s": timeline.times_s.round(_TIME_DIGITS).tolist(),
        "scores": timeline.scores.round(_SCORE_DIGITS).tolist(),
        "events": [event_record(event) for event in timeline.events],
    }


def event_record(event: Event) -> dict[str, Any]:
    """Return an event as JSON has it."""
    record = asdict(event)
    for name in ("start_s", "end_s"):
        record[name] = round(record[name], _TIME_DIGITS)
    return {**record, "score": round(event.score, _SCORE_DIGITS)}


def subtitles(events: Iterable[Event]) -> str:
    """Return events as SubRip subtitles: a number, a time span and a line of text each."""
    return "\n".join(
        f"{number}\n{_clock(event.start_s)} --> {_clock(event.end_s)}\n"
        f"{escaped(event.name)} {event.score:.0%}\n"
        for number, event in enumerate(events, start=1)
    )


def _name_of(video: Path) -> str:
    """Return what the files of a video are called, as far as there is room for it; what follows a
    dot belongs to the name of a folder of images."""
    if not video.is_dir():
        name = video.stem
    else:
        name = video.name if video.name.strip(".") else video.resolve().name
    while len(os.fsencode(name)) > _NAME_BYTES:
        name = name[:-1]
    return name


def _is_own(path: Path) -> bool:
    """Return whether an earlier run wrote a file: it begins as ours do, and is no link."""
    if path.is_symlink() or not path.is_file():
        return False
    with suppress(OSError), path.open(encoding="utf-8", errors="replace", newline="") as file:
        return _OWN[path.suffix].match(file.read(_HEAD_CHARACTERS)) is not None
    return False


def _write_csv(path: Path, timeline: Timeline) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_s", *timeline.classes])
        for time_s, row in zip(timeline.times_s.tolist(), timeline.scores.tolist(), strict=True):
            scores = [f"{score:.{_SCORE_DIGITS}f}" for score in row]
            writer.writerow([f"{time_s:.{_TIME_DIGITS}f}", *scores])


def _clock(time_s: float) -> str:
    """Return "00:01:05,250"."""
    total_ms = round(time_s * 1000)
    minutes, ms = divmod(total_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ms // 1000:02d},{ms % 1000:03d}"
