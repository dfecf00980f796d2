"""Timelines as files: CSV for tables and plots, JSON for programs, SRT for players of videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.text import escaped
from vidnas.deploy.timeline import Event, Timeline

_TIME_DIGITS, _SCORE_DIGITS = 3, 4


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

    def write(self, video: Path, timeline: Timeline) -> None:
        """Write NAME.csv, NAME.json and NAME.srt, replacing those of an earlier run.

        Videos of one name, of several folders, are numbered.
        """
        name = video.stem or video.name
        number, wanted = 1, name.casefold()
        while wanted in self._taken:
            number += 1
            wanted = f"{name}-{number}".casefold()
        self._taken.add(wanted)
        name = name if number == 1 else f"{name}-{number}"
        with replacing(self._folder / f"{name}.csv") as path:
            _write_csv(path, timeline)
        with replacing(self._folder / f"{name}.json") as path:
            text = json.dumps(timeline_record(timeline)) + "\n"
            path.write_text(text, encoding="utf-8")
        with replacing(self._folder / f"{name}.srt") as path:
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
