"""What `vidnas predict` tells of a camera or a stream, while it goes on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from vidnas.cli.console import say, show, show_line
from vidnas.cli.predictions import PredictRequest, chosen, show_event, warn_of_guessing
from vidnas.core.durations import format_moment
from vidnas.core.text import counted

if TYPE_CHECKING:
    from vidnas.data.reading.live import LiveSource
    from vidnas.deploy.live import Answer

_AGES_KEPT = 100_000
"""The ages of so many answers are remembered: of half a day at two a second, of an
hour at 25."""


def predict_live(request: PredictRequest, source: LiveSource, *, json: bool) -> None:
    """Print an answer each time that the window has moved on, and events when they have ended."""
    from vidnas.deploy import load_model
    from vidnas.deploy.live import watch
    from vidnas.deploy.timeline import EventTracker
    from vidnas.deploy.timeline_files import event_record

    model = load_model(request.model)
    warn_of_guessing(model)
    tracker = EventTracker(model.classes, request.threshold)
    told = _Told(json)
    until_s = 0.0
    say(f"Watching {source}; Ctrl-C ends it.")
    try:
        for answer in watch(model, source, smoothing_s=request.smoothing_s):
            pairs = zip(model.classes, answer.scores.tolist(), strict=True)
            ranked = sorted(pairs, key=lambda pair: -pair[1])
            told.answer(answer, chosen(ranked, request, model.card.multi_label, json=json))
            for event in tracker.add(until_s, answer.time_s, answer.scores):
                told.event(event_record(event))
            until_s = answer.time_s
    finally:
        for event in tracker.end():
            told.event(event_record(event))
        told.summary()


class _Told:
    """Prints what is known of a stream, and remembers how old the answers were."""

    def __init__(self, json: bool) -> None:
        self._json = json
        self._ages_ms: deque[float] = deque(maxlen=_AGES_KEPT)
        self._answers = 0
        self._last: Answer | None = None

    def answer(self, answer: Answer, scores: dict[str, float]) -> None:
        """Print an answer: the classes, how old it is and what was dropped."""
        self._last = answer
        self._answers += 1
        self._ages_ms.append(answer.age_ms)
        if self._json:
            record = {
                "time_s": round(answer.time_s, 3),
                "age_ms": round(answer.age_ms, 1),
                "frames": answer.frames,
                "dropped": answer.dropped,
                "scores": {name: round(score, 4) for name, score in scores.items()},
            }
            show_line(record)
            return
        found = "  ".join(f"{score:6.1%} {name}" for name, score in scores.items())
        state = f"{answer.age_ms:.0f} ms old, {answer.dropped} dropped"
        show(f"{format_moment(answer.time_s):>9}  {found or 'nothing'}  ({state})")

    def event(self, record: dict[str, Any]) -> None:
        """Print an event that has ended."""
        if self._json:
            show_line({"event": record})
        else:
            show_event(record)

    def summary(self) -> None:
        """Say how many answers there were, how old, and what of the stream they missed."""
        if self._last is None:
            return
        half, most = np.percentile(self._ages_ms, (50, 95))
        some = f", both of the last {_AGES_KEPT:,}" if self._answers > _AGES_KEPT else ""
        say(
            f"{counted(self._answers, 'answer')}, {half:.0f} ms old (p95 {most:.0f} ms{some}); "
            f"{self._last.dropped} of {self._last.frames} frames dropped."
        )
