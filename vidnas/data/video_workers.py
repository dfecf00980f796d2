"""Work on many videos at once, in worker processes that may crash or hang without harm."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, as_completed
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from vidnas.core import WorkerKilled, WorkerLost
from vidnas.core.process import available_cores
from vidnas.core.workers import WorkerPool
from vidnas.data.datasets import Video
from vidnas.data.reading import VideoError
from vidnas.data.reading.bounds import WORKER_BYTES

_TIMEOUT_S = 600.0
_TIMEOUT_PER_MB_S = 20.0
_Result = TypeVar("_Result")


def in_workers(
    work: Callable[..., _Result],
    videos: Sequence[Video],
    *arguments: Iterable[object],
    on_progress: Callable[[int, int], None] | None = None,
    bounded: bool = True,
) -> Generator[tuple[int, _Result | VideoError]]:
    """Call `work(video, *arguments)` as `map` does, in processes; yield results as they finish.

    Errors of a video, and a decoder that crashes or hangs on it, are yielded in its place.

    Args:
        work: a function that can be pickled.
        videos: the videos.
        arguments: further iterables with one argument per video each.
        on_progress: called with the numbers of videos finished and in all.
        bounded: whether the work is decoding alone, which is bounded in time and memory.

    Yields:
        The index of a video and its outcome.
    """
    calls = list(zip(videos, *arguments, strict=True))
    pool = WorkerPool(
        min(available_cores(), len(videos)),
        timeout_s=_timeout_s(videos) if bounded else None,
        memory_bytes=WORKER_BYTES if bounded else None,
    )
    try:
        futures: dict[Future[_Result], int] = {
            pool.submit(work, *calls[index]): index for index in _file_by_file(videos)
        }
        for done, future in enumerate(as_completed(futures), start=1):
            index = futures.pop(future)
            outcome: _Result | VideoError = _outcome(future, videos[index])
            yield index, outcome
            if on_progress:
                on_progress(done, len(videos))
    finally:  # after Ctrl-C, too: what is still queued is not waited for
        pool.shutdown()


def _file_by_file(videos: Sequence[Video]) -> list[int]:
    """Return the places of the videos, with spans of one file next to each other: a worker then
    reads the index of the file once."""
    first: dict[Path, int] = {}
    for place, video in enumerate(videos):
        first.setdefault(video.path, place)
    return sorted(range(len(videos)), key=lambda place: first[videos[place].path])


def _timeout_s(videos: Sequence[Video]) -> float:
    """Return the time after which decoding any of these hangs: that of the largest file."""
    largest = 0
    for path in {video.path for video in videos}:
        with suppress(OSError):
            largest = max(largest, path.stat().st_size)
    return _TIMEOUT_S + _TIMEOUT_PER_MB_S * largest / 1e6


def _outcome(future: Future[_Result], video: Video) -> _Result | VideoError:
    try:
        return future.result()
    except VideoError as error:
        return error
    except WorkerLost as error:
        return VideoError(
            video.path, f"broke the decoder: {error}", transient=isinstance(error, WorkerKilled)
        )
