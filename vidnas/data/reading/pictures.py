"""Pictures as networks see them: RGB, upright, of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


def scaled_size(width: int, height: int, size_px: int | None) -> tuple[int, int]:
    """Return width and height with a short side of `size_px`, the aspect kept."""
    if size_px is None:
        return width, height
    scale = size_px / min(width, height)
    return round(width * scale), round(height * scale)


class Converter:
    """Resize, convert to RGB and turn upright; one swscale context serves all frames.

    The first frame decides the size and the orientation of all.
    """

    def __init__(self, size_px: int | None) -> None:
        self._size_px = size_px
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._last: tuple[VideoFrame, Frames] | None = None

    def __call__(self, frame: VideoFrame) -> Frames:
        """Return the picture, `(H, W, 3)`; the same array for the same frame as before."""
        if self._last is None or self._last[0] is not frame:  # repeated on the grid
            self._last = (frame, self._convert(frame))
        return self._last[1]

    def _convert(self, frame: VideoFrame) -> Frames:
        if self._size is None:
            self._size = scaled_size(frame.width, frame.height, self._size_px)
            self._display = _display_matrix(frame)
        rgb = self._reformatter.reformat(
            frame, *self._size, "rgb24", interpolation=Interpolation.BILINEAR
        )
        return np.ascontiguousarray(
            _upright(np.asarray(rgb.to_ndarray(), dtype=np.uint8), self._display)
        )


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    """Return where the file puts the directions of the picture: x to (a, b), y to (c, d)."""
    side_data: Any = frame.side_data
    if Type.DISPLAYMATRIX not in side_data:
        return np.eye(2, dtype=np.int32)
    matrix = np.frombuffer(bytes(side_data[Type.DISPLAYMATRIX]), dtype=np.int32)
    return matrix.reshape(3, 3)[:2, :2]


def _upright(image: Frames, display: NDArray[np.int32]) -> Frames:
    """Turn and mirror a picture `(H, W, 3)` as its display matrix says, by quarter turns."""
    (a, b), (c, d) = display.tolist()
    if abs(b) > abs(a):  # x becomes y
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
