"""Clips of a stranger's video, cut in a process that may crash, hang or run out of memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from vidnas.core.faults import is_out_of_memory
from vidnas.data.reading import VideoError
from vidnas.data.reading.source import open_source
from vidnas.data.sampling import Clips
from vidnas.deploy.contract import Contract
from vidnas.deploy.video_clips import contract_clips

Pixels = list[NDArray[np.uint8]]
"""Clips on their way between processes: `(K, T, H, W, C)`, one array per input."""


def get_ready() -> None:
    """Do nothing: to be called is to have imported all that `read_pixels` needs."""


def read_pixels(
    path: Path, contract: Contract, *, max_duration_s: float, timeout_s: float
) -> Pixels:
    """Cut the clips of a video that lasts no longer than it may, and takes no longer.

    Raises:
        VideoError: it does, cannot be decoded, or needs more memory than it may take.
    """
    with _within(path, timeout_s):
        source = open_source(path)
        # The last frame may begin within the limit: stamps are rounded in files.
        if source.duration_s - 1 / source.rate_fps > max_duration_s:
            lasts = f"lasts {source.duration_s:.2f} s"
            raise VideoError(path, f"{lasts}, longer than {max_duration_s:g} s")
        try:
            clips = contract_clips(contract, path)
        except Exception as error:
            if is_out_of_memory(error):
                raise VideoError(path, "needs more memory than a video may take") from error
            raise
    # As they lie in memory, and as arrays: a tensor would travel as a file of shared memory.
    return [clip.permute(0, 2, 3, 4, 1).numpy() for clip in clips]


@contextmanager
def _within(path: Path, timeout_s: float) -> Iterator[None]:
    """Raise an error in what takes too long, if it comes back from its library now and then.

    Most of what is slow does: then the process need not be killed, and its successor imports
    nothing anew while others wait.

    Raises:
        VideoError: it took too long.
    """

    def end(*_: object) -> NoReturn:
        raise VideoError(path, f"takes longer than {timeout_s:g} s to decode")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def to_clips(pixels: Pixels) -> Clips:
    """Return clips `(K, C, T, H, W)` that lie in memory as `clips_of` makes them."""
    return tuple(torch.from_numpy(one).permute(0, 4, 1, 2, 3) for one in pixels)
