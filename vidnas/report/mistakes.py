"""Test clips that a network takes for something else, small enough for a page."""

from __future__ import annotations

import base64
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from vidnas.core.value import Value


class ConfusedClip(Value):
    """A clip that a network takes for something else."""

    video: str
    """Its path, as the data set names it."""
    truth: str
    taken: str
    """The class that it is taken for."""
    probability: float
    """Of that class."""
    frames: PositiveInt
    size_px: PositiveInt
    strip: str
    """All frames side by side, a JPEG picture in base64."""
    drops: tuple[float, ...]
    """How much of that probability is gone without each frame; negative where there is more."""

    @property
    def strongest(self) -> int:
        """The index of the frame that matters most."""
        return max(range(len(self.drops)), key=lambda frame: abs(self.drops[frame]))


class Mistakes(Value):
    """The mistakes of a network on the test split, the worst confusions first."""

    wrong: int
    """How many clips are taken for something else."""
    clips: tuple[ConfusedClip, ...]
    """Some of them."""


def film_strip(frames: NDArray[np.uint8]) -> str:
    """Return the frames `(T, H, W, 3)` side by side as a JPEG picture in base64."""
    strip = np.concatenate([*frames], axis=1)
    # JPEG halves its colours both ways.
    strip = np.ascontiguousarray(strip[: strip.shape[0] // 2 * 2, : strip.shape[1] // 2 * 2])
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = strip.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1)
    encoder.options = {"qmin": "4", "qmax": "4"}
    frame = av.VideoFrame.from_ndarray(strip, format="rgb24").reformat(format="yuvj420p")
    content = b"".join(bytes(part) for part in [*encoder.encode(frame), *encoder.encode(None)])
    return base64.b64encode(content).decode()
