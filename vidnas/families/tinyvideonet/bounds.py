"""The bounds of a search: which values each gene may take."""

from __future__ import annotations

from typing import Any

from pydantic import NonNegativeInt, PositiveInt
from typing_extensions import Self

from vidnas.core import Channels
from vidnas.core.value import Value
from vidnas.families.mutating import clip_sizes_px
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block, SpatialType, TemporalType
from vidnas.families.tinyvideonet.unit import Unit
from vidnas.layers.activation import Activation

_FRAMES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class TinyBounds(Value):
    """Values that each gene of clips and blocks may take, in ascending order.

    `squeeze` may be any ratio in [0, 1].
    """

    image_size: tuple[PositiveInt, ...]
    frames: tuple[PositiveInt, ...]
    frame_stride: tuple[PositiveInt, ...] = (1, 2, 3, 4, 6, 8)
    max_frames: PositiveInt
    """Longest stretch of video that a clip may span."""
    repeats: tuple[PositiveInt, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    spatial_type: tuple[SpatialType, ...] = ("std", "1std", "depth", "maxpool", "avgpool")
    spatial_kernel: tuple[PositiveInt, ...] = (1, 2, 3, 4, 5, 7)
    spatial_stride: tuple[PositiveInt, ...] = (1, 2, 3, 4)
    temporal_type: tuple[TemporalType, ...] = ("1d", "maxpool", "avgpool")
    temporal_kernel: tuple[PositiveInt, ...] = (1, 2, 3, 5)
    temporal_stride: tuple[PositiveInt, ...] = (1, 2, 3)
    filters: tuple[PositiveInt, ...] = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
    expand: tuple[PositiveInt, ...] = (1, 2, 3, 4, 5, 6, 8)
    non_local: tuple[NonNegativeInt, ...] = (0, 8, 16, 32, 64)
    acts: tuple[Activation, ...] = ("relu", "hswish")
    dropout: float = 0.0
    """Of every network: in brief training it hides what a network could learn."""
    max_width: PositiveInt = 1024
    """Most channels anywhere."""
    max_positions: PositiveInt = 4096
    """Most positions (T x H x W) that a non-local block may attend from."""
    min_size_px: PositiveInt = 2
    """Smallest side of the last features."""

    @classmethod
    def for_clips(cls, max_size_px: int, max_frames: int, **others: Any) -> Self:
        """The default bounds for clips of up to this size and length.

        Raises:
            UserError: the clips are too small or have no frames.
        """
        return cls(
            image_size=clip_sizes_px(max_size_px, max_frames),
            frames=tuple(count for count in _FRAMES if count <= max_frames),
            max_frames=max_frames,
            **others,
        )

    @property
    def block_genes(self) -> dict[str, tuple[Any, ...]]:
        """Values of each gene of a block that has a list of them."""
        names = ("repeats", "filters", "expand", "non_local", "spatial_type", "temporal_type")
        axes = [
            f"{axis}_{gene}" for axis in ("spatial", "temporal") for gene in ("kernel", "stride")
        ]
        flags = dict.fromkeys(("skip", "context_gate", "inverted_bottleneck"), (False, True))
        acts = dict.fromkeys(("act", "spatial_act", "temporal_act"), self.acts)
        return {gene: getattr(self, gene) for gene in (*names, *axes)} | flags | acts

    def strides(self, frames: int) -> list[int]:
        """Frame strides of clips of so many frames that fit into the longest stretch of video."""
        return [stride for stride in self.frame_stride if (frames - 1) * stride < self.max_frames]

    def hold_clip(self, image_size: int, frames: int, frame_stride: int) -> bool:
        """Whether a clip lies within the bounds."""
        return (
            image_size in self.image_size
            and frames in self.frames
            and frame_stride in self.strides(frames)
        )

    def hold_block(self, block: Block) -> bool:
        """Whether the genes of a block lie within the bounds."""
        return all(getattr(block, gene) in values for gene, values in self.block_genes.items())

    def afford(self, unit: Unit) -> bool:
        """Whether one repeat of a block is neither too wide nor attends to too much."""
        positions = unit.exit.frames * unit.exit.size_px**2
        return unit.width <= self.max_width and (
            unit.non_local == 0 or positions <= self.max_positions
        )


class Bounds(TinyBounds):
    """Bounds of chains of blocks on one clip."""

    in_channels: Channels = 3
    max_blocks: PositiveInt = 8

    def hold(self, architecture: TinyVideoNet) -> bool:
        """Whether the architecture lies within the bounds."""
        return (
            architecture.rules == "corrected"
            and architecture.dropout == self.dropout
            and architecture.in_channels == self.in_channels
            and self.hold_clip(
                architecture.image_size, architecture.frames, architecture.frame_stride
            )
            and len(architecture.blocks) <= self.max_blocks
            and all(self.hold_block(block) for block in architecture.blocks)
            and architecture.units[-1].exit.size_px >= self.min_size_px
            and all(self.afford(unit) for unit in architecture.units)
        )
