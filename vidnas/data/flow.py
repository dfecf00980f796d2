"""Optical flow between consecutive frames, stored in 8 bits as is usual."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.data.headers import read_header
from vidnas.data.reading import Frames, stream_video
from vidnas.data.reading.errors import naming

FlowMethod = Literal["dis", "tvl1", "farneback"]
"""Kroeger et al. 2016 (preset "medium"); Zach et al. 2007; Farnebäck 2003."""
DEFAULT_METHOD: FlowMethod = "dis"

ZERO = 128
"""The level that means no motion."""
_LARGEST_PX = 20.0
_LEVELS = 127  # on either side of zero: level 0 stays unused, so that a mirror image is exact
STEP_PX = _LARGEST_PX / _LEVELS
_SIZES_PX = (16, 256)

_Estimate = Callable[[Frames, Frames], NDArray[np.float32]]

Shown = tuple[Frames, Frames | None]
"""A frame `(H, W, 3)`, and its flow where a network takes any."""


def compute_flow(frames: Frames, method: FlowMethod = DEFAULT_METHOD) -> Frames:
    """Compute where every pixel goes until the next frame; the last flow is repeated.

    A displacement of d pixels, clipped to +-20, becomes the level `128 + round(d * 127 / 20)`, from
    1 to 255: 128 is no motion, and a step is 0.16 px. Mirroring turns the horizontal level into
    exactly `256 - level`.

    Args:
        frames: RGB `(T, H, W, 3)`, at least 12 px high and wide.
        method: how it is estimated.

    Returns:
        Levels `(T, H, W, 2)`: the displacements to the right and downwards.

    Raises:
        UserError: OpenCV, or the method in it, is not installed.
    """
    return np.stack(list(_levels(frames, method)))


def _levels(frames: Iterable[Frames], method: FlowMethod) -> Iterator[Frames]:
    """Yield the flow of each frame, `(H, W, 2)`."""
    motion, level, frame = Motion(method), None, None
    for frame in frames:
        found = motion.until(frame)
        if found is not None:
            level = found
            yield level
    if frame is not None:
        yield no_motion(frame) if level is None else level


class Motion:
    """The flow of frames that come one by one."""

    def __init__(self, method: FlowMethod) -> None:
        """Prepare to estimate it.

        Raises:
            UserError: OpenCV, or the method in it, is not installed.
        """
        self._estimate = estimator(method)
        self._before: Frames | None = None

    def until(self, frame: Frames) -> Frames | None:
        """Return the levels `(H, W, 2)` from the frame before to this one; None for the first."""
        before, self._before = self._before, _to_grey(frame)
        return None if before is None else _quantise(self._estimate(before, self._before))


def no_motion(frame: Frames) -> Frames:
    """Return the flow `(H, W, 2)` of a frame where nothing moves."""
    return np.full((*frame.shape[:2], 2), ZERO, dtype=np.uint8)


def estimator(method: FlowMethod) -> _Estimate:
    """Return the function that estimates `(H, W, 2)` pixels from two grey frames, on one thread.

    Raises:
        UserError: OpenCV, or the method in it, is not installed.
    """
    cv2 = _opencv()
    cv2.setNumThreads(1)  # workers have one core each
    if method == "farneback":
        return lambda now, after: cv2.calcOpticalFlowFarneback(
            now, after, None, 0.5, 3, 15, 3, 5, 1.2, 0
        )
    if method == "tvl1":
        if not hasattr(cv2, "optflow"):
            raise UserError(
                "The flow method tvl1 is not in this build of OpenCV; run `pip uninstall "
                "opencv-python-headless` and `pip install opencv-contrib-python-headless`, or use "
                "the method dis."
            )
        tvl1 = cv2.optflow.DualTVL1OpticalFlow_create()
        return lambda now, after: tvl1.calc(now, after, None)
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda now, after: dis.calc(now, after, None)


def resize_flow(flow: Frames, height: int, width: int) -> Frames:
    """Resize levels `(T, H, W, 2)` as pictures; they remain displacements in the original's px.

    Raises:
        UserError: OpenCV is not installed.
    """
    if flow.shape[1:3] == (height, width):
        return flow
    cv2 = _opencv()
    shrinks = height < flow.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = [cv2.resize(level, (width, height), interpolation=interpolation) for level in flow]
    return np.stack(resized)


def read_flow(
    path: Path | str,
    method: FlowMethod = DEFAULT_METHOD,
    *,
    rate_fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Frames:
    """Return the flow `(T, H, W, 2)` of a video or its span at once; see `stream_flow`.

    Raises:
        VideoError: the video cannot be decoded, or its flow does not fit into memory.
        UserError: OpenCV, or the method in it, is not installed.
    """
    with naming(Path(path)):
        return np.stack(
            list(stream_flow(path, method, rate_fps=rate_fps, start_s=start_s, end_s=end_s))
        )


def stream_flow(
    path: Path | str,
    method: FlowMethod = DEFAULT_METHOD,
    *,
    rate_fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    images_fps: float | None = None,
) -> Iterator[Frames]:
    """Yield the flow `(H, W, 2)` of a video or its span, at its own size up to 256 px.

    The frames that networks see are smaller still, but motion shrinks with them, below what 8 bits
    can hold.

    Raises:
        VideoError: the video cannot be decoded.
        UserError: OpenCV, or the method in it, is not installed.
    """
    header = read_header(Path(path))  # without one, decoding says what is wrong
    size_px = estimation_size_px(header.short_px if header else 0)
    with stream_video(
        path,
        size_px=size_px,
        rate_fps=rate_fps,
        start_s=start_s,
        end_s=end_s,
        images_fps=images_fps,
        held=False,
    ) as frames:
        yield from _levels(frames, method)


def estimation_size_px(short_px: int) -> int:
    """Return the short side at which the flow of a video of this short side is estimated."""
    smallest_px, largest_px = _SIZES_PX
    return min(max(short_px, smallest_px), largest_px)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            "Optical flow needs OpenCV, which is not installed; run "
            "`pip install opencv-python-headless`."
        ) from error
    return cv2


def _to_grey(frame: Frames) -> Frames:
    cv2 = _opencv()
    grey: Frames = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    return grey


def _quantise(flow_px: NDArray[np.float32]) -> Frames:
    clipped = np.clip(flow_px, -_LARGEST_PX, _LARGEST_PX)
    levels: NDArray[np.float32] = ZERO + np.rint(clipped / STEP_PX)
    return levels.astype(np.uint8)
