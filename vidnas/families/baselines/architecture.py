"""The (2+1)D residual network of Tran et al., "A Closer Look at Spatiotemporal Convolutions for
Action Recognition" (CVPR 2018), as a value."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from vidnas.core import bounds
from vidnas.families.architecture import Width, scaled
from vidnas.families.clips import FrameCount, SingleClip

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_WIDTHS = (64, 128, 256, 512)
_STEM_MIDDLE = 45  # as released, not by the formula of the paper


class R2Plus1D(SingleClip):
    """A ResNet whose 3x3x3 convolutions are split into a spatial and a temporal one."""

    family: ClassVar[str] = "baselines"

    depth: Literal[18, 34] = 18
    width: Width = 1.0
    """Multiplier of all channel counts."""
    frames: FrameCount = 16
    frame_stride: PositiveInt = 2
    size_px: int = Field(default=112, ge=16, le=bounds.SIZE_PX)

    @property
    def stem_channels(self) -> tuple[int, int]:
        """Channels between the stem's two convolutions, and after them."""
        return scaled(_STEM_MIDDLE, self.width), scaled(_WIDTHS[0], self.width)

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """The number of blocks and the channels of each of the four stages."""
        return tuple(
            (blocks, scaled(width, self.width))
            for blocks, width in zip(_BLOCKS[self.depth], _WIDTHS, strict=True)
        )

    def canonical(self) -> R2Plus1D:
        """The value itself, but for the stride of a single frame, which cannot matter."""
        return self.model_copy(update=self.neutral_clip)


def middle_channels(channels: int, out_channels: int) -> int:
    """Channels between the two parts, so that both together have the weights of 3x3x3.

    `M = floor(t d^2 N_in N_out / (d^2 N_in + t N_out))` with t = d = 3 (Tran et al., section 3.5).
    """
    return 27 * channels * out_channels // (9 * channels + 3 * out_channels)
