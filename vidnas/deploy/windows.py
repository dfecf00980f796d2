"""A video of any length seen through a window that moves along it: one answer per place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidnas.core.clip import SMOOTHING_S, THRESHOLD
from vidnas.data.flow import Shown, resize_flow, stream_flow
from vidnas.data.reading import Frames, VideoStream, stream_video
from vidnas.data.sampling import Clips, clips_of
from vidnas.deploy.contract import Contract
from vidnas.deploy.model import Model
from vidnas.deploy.timeline import Timeline, smoothed
from vidnas.training.evaluation import predict_scores

LONG_S = 30.0
"""Videos up to this length have one answer, as those have that are as long as what a model was
trained on."""
_LONG_TYPICAL = 3
_UNKNOWN_WINDOW = 64
_BATCH = 8

Progress = Callable[[float, float], None]


def window_of(contract: Contract) -> tuple[int, int]:
    """Return the frames that one answer sees, and how far two are apart.

    A model of frames that are spread over whole videos sees as much as the videos of its training
    lasted, or 64 frames where nobody wrote that down.
    """
    window = contract.window_frames or _UNKNOWN_WINDOW
    return window, contract.hop_frames or max(1, window // 2)


def is_long(model: Model, path: Path | str) -> bool:
    """Return whether a video is so much longer than what the model knows that it has a timeline:
    longer than 30 seconds, and than three videos of its training.

    Raises:
        VideoError: the video is missing, or is none.
    """
    with _stream(model.contract, path) as stream:
        typical_s = (model.card.typical_frames or 0) / stream.rate_fps
        return stream.duration_s > max(LONG_S, _LONG_TYPICAL * typical_s)


def predict_timeline(
    model: Model,
    path: Path | str,
    *,
    smoothing_s: float = SMOOTHING_S,
    threshold: float = THRESHOLD,
    on_progress: Progress | None = None,
) -> Timeline:
    """Score the classes along a video of any length, in the memory that one window takes.

    Args:
        model: what looks.
        path: the video.
        smoothing_s: over how long scores are averaged; 0 leaves them as they are.
        threshold: the least smoothed score during an event.
        on_progress: called with the seconds seen, and in all.

    Raises:
        VideoError: the video is missing, cannot be decoded or shows a single frame.
        UserError: the network takes flow, and OpenCV is not installed.
        NotFinite: the network predicts numbers that are not finite.
    """
    contract = model.contract
    window, hop = window_of(contract)
    middles_s: list[float] = []
    rows: list[Tensor] = []
    with _stream(contract, path) as stream:
        expected_s = stream.duration_s
        newest = _Newest(stream, window)
        for middles, clips in _batches(_clips(newest, path, contract, window, hop)):
            middles_s += middles
            rows.append(window_scores(model, model.network.eval(), clips))
            if on_progress:
                on_progress(min(newest.end_s, expected_s), expected_s)
    times_s = np.array(middles_s)
    scores = torch.cat(rows).double().numpy()
    return Timeline(
        classes=model.classes,
        times_s=times_s,
        scores=smoothed(times_s, scores, smoothing_s),
        duration_s=newest.end_s,
        window_s=len(newest.points) / stream.rate_fps,
        smoothing_s=smoothing_s,
        threshold=threshold,
    )


def window_scores(model: Model, network: Callable[..., Tensor], clips: Clips) -> Tensor:
    """Return the scores of windows, `(N, num_classes)`, each pooled over its squares.

    Args:
        model: what looks.
        network: computes the logits.
        clips: what `window_clips` returns, of one window after the other.
    """
    task = model.card.task
    with torch.inference_mode():
        scores = predict_scores(network, clips, torch.device("cpu"), task)
    return task.pooled(scores.view(-1, model.contract.squares, scores.shape[1]))


def _stream(contract: Contract, path: Path | str) -> VideoStream:
    """Read a video as a model sees it; no more of it is held than a window."""
    return stream_video(
        path,
        size_px=contract.stored_px,
        rate_fps=contract.rate_fps,
        frames_min=2,
        held=False,
    )


class _Newest:
    """Passes the frames of a video on, and knows where in it those of the newest window are."""

    def __init__(self, stream: VideoStream, window: int) -> None:
        self._stream = stream
        self.points: deque[int] = deque(maxlen=window)

    def __iter__(self) -> Iterator[Frames]:
        for frame in self._stream:
            self.points.append(self._stream.point)
            yield frame

    @property
    def end_s(self) -> float:
        """When the newest frame ends."""
        return (self.points[-1] + 1) / self._stream.rate_fps

    @property
    def middle_s(self) -> float:
        """The middle of the window; frames alone do not tell it, since gaps are shortened."""
        return (self.points[0] / self._stream.rate_fps + self.end_s) / 2


def _clips(
    newest: _Newest, path: Path | str, contract: Contract, window: int, hop: int
) -> Iterator[tuple[float, Clips]]:
    """Yield the middle of each window, and its clips; the last one ends where the video does."""
    recent: deque[Shown] = deque(maxlen=window)
    done = count = 0
    for count, pair in enumerate(_with_flow(newest, path, contract), start=1):
        recent.append(pair)
        if count >= window and (count - window) % hop == 0:
            done = count
            yield newest.middle_s, window_clips(recent, contract)
    if recent and done < count:
        yield newest.middle_s, window_clips(recent, contract)


def _with_flow(frames: Iterable[Frames], path: Path | str, contract: Contract) -> Iterable[Shown]:
    if contract.flow_method is None:
        return ((frame, None) for frame in frames)
    flow = stream_flow(path, contract.flow_method, rate_fps=contract.rate_fps)
    return zip(frames, flow, strict=True)


def window_clips(recent: Iterable[Shown], contract: Contract) -> Clips:
    """Return the clips of one window, `(K, C, T, H, W)` of its K squares, one per input."""
    pictures, motion = zip(*recent, strict=True)
    frames = np.stack(pictures)
    flow = None
    if contract.flow_method is not None:
        flow = resize_flow(np.stack(motion), *frames.shape[1:3])
    return clips_of(frames, contract.inputs, squares=contract.squares, flow=flow)


def _batches(clips: Iterable[tuple[float, Clips]]) -> Iterator[tuple[list[float], Clips]]:
    """Put the clips of several windows into one batch."""
    middles_s: list[float] = []
    waiting: list[Clips] = []
    for middle_s, one in clips:
        middles_s.append(middle_s)
        waiting.append(one)
        if len(waiting) == _BATCH:
            yield middles_s, _together(waiting)
            middles_s, waiting = [], []
    if waiting:
        yield middles_s, _together(waiting)


def _together(clips: list[Clips]) -> Clips:
    return tuple(torch.cat(inputs) for inputs in zip(*clips, strict=True))
