"""Many videos at once: decoded in worker processes that may crash or hang without harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from typing import TypeVar

from vidnas.core import WorkerLost
from vidnas.core.process import available_cores
from vidnas.core.workers import WorkerPool
from vidnas.data.datasets import Video
from vidnas.data.reading import Frames, VideoError, read_video

_TIMEOUT_S = 600.0
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


def decode(video: Video, size_px: int) -> tuple[Frames, float]:
    """Read the video or its span; `(T, H, W, 3)` and the frame rate.

    Raises:
        VideoError: it cannot be decoded, or shows no motion because it has one frame.
    """
    frames, rate = read_video(video.path, size_px=size_px, start_s=video.start_s, end_s=video.end_s)
    if len(frames) < 2:
        raise VideoError(video.path, "is too short: it has a single frame")
    return frames, rate


def in_workers(
    work: Callable[[Video, _Argument], _Result],
    videos: Sequence[Video],
    arguments: Iterable[_Argument],
    *,
    timeout_s: float | None = _TIMEOUT_S,
) -> Iterator[tuple[int, _Result | VideoError]]:
    """Call `work(video, argument)` for every video, in processes; yield results as they finish.

    Errors of a video, and a decoder that crashes or hangs on it, are yielded in its place.
    """
    pool = WorkerPool(min(available_cores(), len(videos)), timeout_s=timeout_s)
    try:
        futures: dict[Future[_Result], int] = {
            pool.submit(work, *call): index
            for index, call in enumerate(zip(videos, arguments, strict=False))
        }
        for future in as_completed(futures):
            index = futures.pop(future)
            outcome: _Result | VideoError = _outcome(future, videos[index])
            yield index, outcome
    finally:  # after Ctrl-C, too: what is still queued is not waited for
        pool.shutdown()


def _outcome(future: Future[_Result], video: Video) -> _Result | VideoError:
    try:
        return future.result()
    except VideoError as error:
        return error
    except WorkerLost as error:
        return VideoError(video.path, f"broke the decoder: {error}")
