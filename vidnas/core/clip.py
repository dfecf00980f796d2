"""The clip: what leaves the data floor and enters a network."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import PositiveInt

from vidnas.core.value import Value

Modality = Literal["rgb", "flow", "objects"]
"""Frames; optical flow, horizontal and vertical, 8 bit, of which 128 is no motion; or maps of the
classes of ADE20K, one channel per class and one for none, as semantic segmentation gives them."""

Sampling = Literal["dense", "uniform"]
"""Frames at a fixed stride from some moment on; or spread evenly over the whole video."""
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)

_CHANNELS: dict[Modality, int] = {"rgb": 3, "flow": 2, "objects": 151}


CLIPS_PER_VIDEO = 3
"""Evenly spaced clips of a video over which tests and predictions average, by default."""


class ClipSpec(Value):
    """The clip that a network takes: `(N, channels, frames, size_px, size_px)` in [0, 1]."""

    modality: Modality = "rgb"
    frames: PositiveInt
    frame_stride: PositiveInt
    """Distance between two frames of a dense clip, in frames of the video."""
    size_px: PositiveInt
    sampling: Sampling = "dense"

    @property
    def channels(self) -> int:
        """Number of channels of the modality."""
        return _CHANNELS[self.modality]

    @property
    def span_frames(self) -> int:
        """How many frames of the video a dense clip covers, from its first to its last."""
        return (self.frames - 1) * self.frame_stride + 1

    def shape(self, batch: int = 1) -> tuple[int, int, int, int, int]:
        """Return `(N, C, T, H, W)`."""
        return (batch, self.channels, self.frames, self.size_px, self.size_px)

    def __str__(self) -> str:
        """How people are told of the clip: "rgb 8 x 64 px, stride 2"."""
        uniform = self.sampling == "uniform"
        spacing = "spread evenly" if uniform else f"stride {self.frame_stride}"
        return f"{self.modality} {self.frames} x {self.size_px} px, {spacing}"
