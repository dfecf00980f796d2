"""What a model sees in a camera or a stream, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from vidnas.core import UserError
from vidnas.core.clip import SMOOTHING_S
from vidnas.data.live_frames import LiveFrames, Recent
from vidnas.data.reading.live import LiveSource
from vidnas.data.reading.pictures import Frames
from vidnas.data.sampling import clips_of
from vidnas.deploy.model import Model
from vidnas.deploy.timeline import Scores, Smoothing
from vidnas.deploy.windows import window_of
from vidnas.training.evaluation import predict_scores


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
    """Yield what a model sees in a camera or a stream, each time that its window has moved on.

    An answer is about the newest frames there are when the one before it is done: of a stream that
    is faster than the model, frames are dropped, and none is ever queued.

    Args:
        model: what looks.
        source: where to look; see `live_source`.
        smoothing_s: the scores of so many seconds are averaged; 0 leaves them as they are.

    Raises:
        UserError: the source cannot be opened or broke off, or the network takes optical flow.
        NotFinite: the network predicts numbers that are not finite.
    """
    contract = model.contract
    if contract.flow_method is not None:
        raise UserError(
            f"{source}: this model takes optical flow, which is not computed live; choose a model "
            "of RGB clips, or record the stream and predict the file."
        )
    window, hop = window_of(contract)
    smooth = Smoothing(smoothing_s)
    _predict(model, [np.zeros((contract.stored_px, contract.stored_px, 3), np.uint8)] * window)
    seen = unseen = 0
    with LiveFrames(
        source, size_px=contract.stored_px, rate_fps=contract.rate_fps, keep=window
    ) as live:
        while recent := live.wait(max(window, seen + hop)):
            scores = _predict(model, recent.frames)
            unseen += max(0, recent.number - window - seen)
            seen = recent.number
            yield _answer(recent, smooth(recent.time_s, scores), unseen)


def _answer(recent: Recent, scores: Scores, unseen: int) -> Answer:
    return Answer(
        time_s=recent.time_s,
        age_ms=max(0.0, time.monotonic() - recent.seen_s) * 1000,
        frames=recent.number + recent.undecoded,
        dropped=unseen + recent.undecoded,
        scores=scores,
    )


def _predict(model: Model, frames: list[Frames]) -> Scores:
    clips = clips_of(np.stack(frames), model.contract.inputs)
    with torch.inference_mode():
        scores = predict_scores(model.network.eval(), clips, torch.device("cpu"), model.card.task)
    row: Scores = scores[0].double().numpy()
    return row
