"""Architectures on one clip, of RGB or of optical flow."""

from __future__ import annotations

from pydantic import PositiveInt

from vidnas.core import Channels, ClipSpec, modality_of
from vidnas.families.architecture import Architecture


class SingleClip(Architecture):
    """An architecture on one clip."""

    frames: PositiveInt
    frame_stride: PositiveInt = 1
    size_px: PositiveInt
    in_channels: Channels = 3
    """3 for RGB, 2 for optical flow."""

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """One clip, of RGB or of optical flow."""
        spec = ClipSpec(
            modality=modality_of(self.in_channels),
            frames=self.frames,
            frame_stride=self.frame_stride,
            size_px=self.size_px,
        )
        return (spec,)
