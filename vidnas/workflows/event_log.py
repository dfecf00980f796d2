"""The events of a search as JSON lines."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.value import Value
from vidnas.evolution.events import Event, EventKind
from vidnas.evolution.trial import Trial
from vidnas.workflows.search_log import SearchLog, TrialFacts


class EventLine(Value):
    """One line of the file."""

    time: datetime
    """When the line was written."""
    event: EventKind
    trial: TrialFacts | None
    best: TrialFacts | None
    counts: dict[str, int]
    """Candidates by status; one that did not occur is missing."""
    rejections: dict[str, int]
    """Rejected candidates by the limit that they broke."""
    elapsed_s: float
    remaining_s: float | None
    candidates_per_minute: float

    @classmethod
    def of(cls, event: Event) -> EventLine:
        """Return what is written of an event."""
        return cls(
            time=datetime.now(timezone.utc),
            event=event.kind,
            trial=TrialFacts.of(event.trial),
            best=TrialFacts.of(event.best),
            counts=dict(event.counts),
            rejections=dict(event.rejections),
            elapsed_s=event.elapsed_s,
            remaining_s=event.remaining_s,
            candidates_per_minute=event.candidates_per_minute,
        )


class EventLog(SearchLog):
    """Appends one JSON object per line, each in one write, to a file or to a named pipe.

    Raises:
        UserError: the file cannot be opened, or holds something else.
    """

    def __init__(self, path: Path, remark: Callable[[str], None]) -> None:
        super().__init__(path, remark)
        try:
            self._told, torn_bytes = _rungs(path) if path.is_file() else (set(), 0)
            self._file = path.open("ab", buffering=0)
            if torn_bytes:
                self._file.truncate(self._file.tell() - torn_bytes)
        except OSError as error:
            raise UserError(
                f"The events cannot be written to {path} ({error.strerror}); choose a file in a "
                "folder that you may write to."
            ) from error

    def knows(self, trial: Trial) -> bool:
        """Return whether the file had a line for this rung of the trial when it was opened."""
        return (trial.architecture.digest, trial.rung) in self._told

    def write(self, event: Event) -> None:
        """Append a whole line, or nothing."""
        line = EventLine.of(event).model_dump_json().encode() + b"\n"
        written = self._file.write(line)
        if written < len(line):  # the disk became full in between
            self._file.truncate(self._file.tell() - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _rungs(path: Path) -> tuple[set[tuple[str, int]], int]:
    """Return the digests of the trials that the file tells of, with their rungs, and the size of a
    last line that a power cut has torn."""
    *whole, torn = path.read_bytes().split(b"\n")
    if torn and not whole:
        whole.append(b"")  # which is no event: what is torn and alone may be anybody's
    try:
        lines = [json.loads(line) for line in whole]
        told = [line["trial"] for line in lines if line["trial"]]
        return {(one["digest"], one["rung"]) for one in told}, len(torn)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} is damaged or holds something other than events; choose another "
            "file, or delete it: a resumed search writes all of its trials."
        ) from error
