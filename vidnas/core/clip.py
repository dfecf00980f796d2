"""The clip: what leaves the data floor and enters a network."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from vidnas.core.value import Value


class ClipSpec(Value):
    """Which clip a network eats: a tensor `(N, channels, frames, size_px, size_px)` in [0, 1]."""

    modality: Literal["rgb"] = "rgb"
    frames: PositiveInt
    frame_stride: PositiveInt
    """Distance between two frames of the clip, in frames of the video."""
    size_px: PositiveInt

    @property
    def channels(self) -> int:
        """Number of channels of the modality."""
        return 3

    def shape(self, batch: int = 1) -> tuple[int, int, int, int, int]:
        """Return `(N, C, T, H, W)`."""
        return (batch, self.channels, self.frames, self.size_px, self.size_px)
