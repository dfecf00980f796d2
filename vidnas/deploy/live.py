"""What a model sees in a camera or a stream, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from vidnas.core.clip import SMOOTHING_S
from vidnas.data.live_frames import LiveFrames, Recent
from vidnas.data.reading.live import LiveSource
from vidnas.deploy.model import Model
from vidnas.deploy.onlookers import onlooker_of
from vidnas.deploy.timeline import Scores, Smoothing


@dataclass(frozen=True)
class Answer:
    """What a model said of the newest frames of a stream."""

    time_s: float
    """The time of the newest frame in the stream, which begins at 0."""
    age_ms: float
    """How long ago that frame was there to be seen, when the answer was known."""
    frames: int
    """How many frames the stream has had so far."""
    dropped: int
    """How many of them no answer has seen, because they came faster than answers."""
    scores: Scores
    """Smoothed, `(classes,)`."""


def watch(
    model: Model, source: LiveSource, *, smoothing_s: float = SMOOTHING_S
) -> Iterator[Answer]:
    """Yield what a model sees in a camera or a stream, each time that its window has moved on; a
    network that carries its past takes every frame once, and answers after each.

    An answer is about the newest frames there are when the one before it is done: of a stream that
    is faster than the model, frames are dropped, and none is ever queued.

    Args:
        model: what looks.
        source: where to look; see `live_source`.
        smoothing_s: the scores of so many seconds are averaged; 0 leaves them as they are.

    Raises:
        UserError: the source cannot be opened or broke off, or the network takes flow, and
            OpenCV is not installed.
        NotFinite: the network predicts numbers that are not finite.
    """
    contract = model.contract
    onlooker = onlooker_of(model)
    smooth = Smoothing(smoothing_s)
    unseen = 0
    with LiveFrames(
        source,
        size_px=contract.stored_px,
        rate_fps=contract.rate_fps,
        keep=onlooker.keep,
        flow_method=contract.flow_method,
    ) as live:
        while recent := live.wait(onlooker.next):
            scores, passed = onlooker.look(recent)
            unseen += passed
            yield _answer(recent, smooth(recent.time_s, scores), unseen)


def _answer(recent: Recent, scores: Scores, unseen: int) -> Answer:
    return Answer(
        time_s=recent.time_s,
        age_ms=max(0.0, time.monotonic() - recent.seen_s) * 1000,
        frames=recent.came + recent.undecoded,
        dropped=unseen + recent.undecoded,
        scores=scores,
    )
