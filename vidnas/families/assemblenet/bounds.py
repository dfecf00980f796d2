"""The bounds of a search: which values each gene may take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from vidnas.core.value import Value
from vidnas.families.assemblenet.architecture import (
    DEPTHS,
    LEVELS,
    AssembleNet,
    Attention,
    Block,
    StemKind,
)

STRIDES = (1, 2, 2, 2)
"""In space, of the first module of each level's blocks."""
GRAIN = 8
"""Filters of blocks are multiples of it."""

Depth = Literal[26, 38, 50, 68, 77, 101]
Filters = Annotated[PositiveInt, Field(multiple_of=2 * GRAIN)]
Probability = Annotated[float, Field(ge=0, le=1)]

_FIXED: dict[str, Any] = {
    "module": "bottleneck",
    "flow_normalization": "sample",
    "max_pool_predictions": False,
    "rules": "corrected",
}


class Bounds(Value):
    """Values that each gene may take; `stems`, `filters` and the last four take only one."""

    size_px: tuple[PositiveInt, ...]
    frames: tuple[PositiveInt, ...]
    frame_stride: tuple[PositiveInt, ...] = (1, 2, 3, 4, 6, 8)
    max_frames: PositiveInt
    """Longest stretch of video that a clip may span."""
    depths: tuple[Depth, ...] = (26,)
    widths: tuple[PositiveFloat, ...] = (0.125, 0.25)
    """Of the published ones: these suit two CPU cores."""
    attentions: tuple[Attention, ...] = ("none", "self", "peer")
    """Random networks have the first: without attention, the weight of an edge alone says what its
    source is worth."""
    stems: Annotated[tuple[StemKind, ...], Field(min_length=1)]
    dilations: tuple[PositiveInt, ...] = (1, 2, 4, 8)
    filters: tuple[Filters, Filters, Filters, Filters] = (128, 256, 512, 512)
    """Sum over the blocks of each level."""
    max_blocks: tuple[PositiveInt, PositiveInt, PositiveInt, Literal[1, 2]] = (4, 4, 4, 2)
    """On each level; those of the last must have equal filters, which three cannot."""
    edge_probability: Probability = 0.5
    """Of each admissible edge of a random network: searches start overly connected."""
    edge_threshold: Probability = 0.5
    """Edges with higher weights are kept by a mutation."""
    flow_iterations: PositiveInt = 20
    """Those of the published ++lite; flow is dear."""
    dropout: float = 0.0
    """Of every network: in brief training it hides what a network could learn."""

    @property
    def network_genes(self) -> dict[str, tuple[Any, ...]]:
        """Values of each gene outside the graph."""
        return {
            "size_px": self.size_px,
            "frames": self.frames,
            "frame_stride": self.frame_stride,
            "repeats": tuple(DEPTHS[depth] for depth in self.depths),
            "width": self.widths,
            "attention": self.attentions,
        }

    def strides(self, frames: int) -> list[int]:
        """Frame strides of clips of so many frames that fit into the longest stretch of video."""
        return [stride for stride in self.frame_stride if (frames - 1) * stride < self.max_frames]

    def hold(self, architecture: AssembleNet) -> bool:
        """Whether the architecture lies within the bounds."""
        fixed = _FIXED | {"flow_iterations": self.flow_iterations, "dropout": self.dropout}
        levels = [block.level for block in architecture.blocks]
        return (
            all(getattr(architecture, gene) == value for gene, value in fixed.items())
            and all(
                getattr(architecture, gene) in values for gene, values in self.network_genes.items()
            )
            and architecture.frame_stride in self.strides(architecture.frames)
            and tuple(stem.kind for stem in architecture.stems) == self.stems
            and all(stem.dilation in self.dilations for stem in architecture.stems)
            and levels == sorted(levels)
            and all(self._hold_block(block) for block in architecture.blocks)
            and all(self._hold_level(architecture, level) for level in range(LEVELS))
        )

    def _hold_block(self, block: Block) -> bool:
        return (
            block.name != ""
            and block.dilation in self.dilations
            and block.stride == STRIDES[block.level]
            and block.edge_weights is None
            and block.fused is None
        )

    def _hold_level(self, architecture: AssembleNet, level: int) -> bool:
        filters = [block.filters for block in architecture.blocks if block.level == level]
        counts = [count for count in filters if isinstance(count, int) and count % GRAIN == 0]
        return (
            len(counts) == len(filters) <= self.max_blocks[level]
            and sum(counts) == self.filters[level]
        )
