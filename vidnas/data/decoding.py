"""Many videos at once: decoded in worker processes that may crash or hang without harm."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from vidnas.core.process import available_cores
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
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=min(available_cores(), len(videos)), context=context) as pool:
        futures: dict[Future[_Result], int] = {
            pool.schedule(work, args=call, timeout=timeout_s): index
            for index, call in enumerate(zip(videos, arguments, strict=False))
        }
        try:
            for future in as_completed(futures):
                index = futures.pop(future)
                outcome: _Result | VideoError = _outcome(future, videos[index])
                yield index, outcome
        except BaseException:  # Ctrl-C too: do not wait for what is still queued
            pool.stop()  # type: ignore[no-untyped-call]
            raise


def _outcome(future: Future[_Result], video: Video) -> _Result | VideoError:
    try:
        return future.result()
    except VideoError as error:
        return error
    except ProcessExpired as error:
        return VideoError(video.path, f"crashed the decoder (exit code {error.exitcode})")
    except FutureTimeoutError:
        return VideoError(video.path, f"was not decoded within {_TIMEOUT_S:g} s")
