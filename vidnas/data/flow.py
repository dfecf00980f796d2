"""Optical flow between consecutive frames, in 8 bit as the field stores it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.data.reading import Frames, read_video

FlowMethod = Literal["dis", "tvl1", "farneback"]
"""Kroeger et al. 2016 (preset "medium"); Zach et al. 2007; Farnebäck 2003."""
DEFAULT_METHOD: FlowMethod = "dis"

ZERO = 128
"""The level of no motion."""
_LARGEST_PX = 20.0
_LEVELS = 127  # on either side of zero: level 0 stays unused, so that a mirror image is exact
STEP_PX = _LARGEST_PX / _LEVELS
_SIZES_PX = (16, 256)

_Estimate = Callable[[Frames, Frames], NDArray[np.float32]]


def compute_flow(frames: Frames, method: FlowMethod = DEFAULT_METHOD) -> Frames:
    """Compute where every pixel goes until the next frame; the last flow is repeated.

    A displacement of d pixels, clipped to +-20, becomes the level `128 + round(d * 127 / 20)`, from
    1 to 255: steps of 0.16 px, and 128 is no motion. Mirrored clips have the horizontal level
    `256 - level`, exactly.

    Args:
        frames: RGB `(T, H, W, 3)`, of at least 12 px a side.
        method: how it is estimated.

    Returns:
        Levels `(T, H, W, 2)`: the displacement to the right, and the one downwards.

    Raises:
        UserError: OpenCV, or the method in it, is not installed.
    """
    estimate, grey = estimator(method), _to_grey(frames)
    levels = np.full((*frames.shape[:3], 2), ZERO, dtype=np.uint8)
    for index, (now, after) in enumerate(pairwise(grey)):
        levels[index] = _quantise(estimate(now, after))
    if len(frames) > 1:
        levels[-1] = levels[-2]
    return levels


def estimator(method: FlowMethod) -> _Estimate:
    """The function that estimates `(H, W, 2)` pixels from two grey frames, on one thread.

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
    """Resize the levels `(T, H, W, 2)` as pictures: they stay displacements in the original's px.

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
    path: Path,
    method: FlowMethod = DEFAULT_METHOD,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Frames:
    """Flow `(T, H, W, 2)` of a video or its span, at its own size or 256 px short side.

    The smaller of the two. The frames that networks see are smaller still: motion shrinks with
    them, below what 8 bits can hold.

    Raises:
        VideoError: the video cannot be decoded.
        UserError: OpenCV, or the method in it, is not installed.
    """
    smallest_px, largest_px = _SIZES_PX
    size_px = min(max(_short_side_px(path), smallest_px), largest_px)
    frames, _ = read_video(path, size_px=size_px, start_s=start_s, end_s=end_s)
    return compute_flow(frames, method)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            "Optical flow needs OpenCV, which is not installed; run "
            "`pip install opencv-python-headless`."
        ) from error
    return cv2


def _to_grey(frames: Frames) -> list[Frames]:
    cv2 = _opencv()
    return [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]


def _quantise(flow_px: NDArray[np.float32]) -> Frames:
    clipped = np.clip(flow_px, -_LARGEST_PX, _LARGEST_PX)
    levels: NDArray[np.float32] = ZERO + np.rint(clipped / STEP_PX)
    return levels.astype(np.uint8)


def _short_side_px(path: Path) -> int:
    """By the file's header; nothing where there is none, and then decoding says what is wrong."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return int(min(stream.width, stream.height))
    except (av.FFmpegError, OSError, LookupError):
        return 0
