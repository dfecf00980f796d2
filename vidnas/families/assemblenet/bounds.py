"""The bounds of a search for AssembleNets, and random networks.

Random networks are overly connected: evolution finds which connections they can do without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from typing_extensions import Self

from vidnas.families.assemblenet.architecture import (
    DEPTHS,
    LEVELS,
    AssembleNet,
    Attention,
    Block,
    Stem,
    StemKind,
)
from vidnas.families.bounded import Bounds
from vidnas.families.genes import pick

STRIDES = (1, 2, 2, 2)
"""The stride in space of the first module of each level's blocks."""
GRAIN = 8
"""The filters of blocks are multiples of it."""

Depth = Literal[26, 38, 50, 68, 77, 101]
Filters = Annotated[PositiveInt, Field(multiple_of=2 * GRAIN)]
Probability = Annotated[float, Field(ge=0, le=1)]

_FIXED: dict[str, Any] = {
    "module": "bottleneck",
    "flow_normalization": "sample",
    "max_pool_predictions": False,
    "rules": "corrected",
}


class AssembleNetBounds(Bounds):
    """The values that each gene may take: of `stems`, `filters` and the last four, only one."""

    depths: tuple[Depth, ...] = (26,)
    widths: tuple[PositiveFloat, ...] = (0.125, 0.25)
    """Multipliers of the published widths: these suit two CPU cores."""
    attentions: tuple[Attention, ...] = ("none", "self", "peer")
    """Random networks have the first: without attention, the weight of an edge alone says what its
    source is worth."""
    stems: Annotated[tuple[StemKind, ...], Field(min_length=1)]
    dilations: tuple[PositiveInt, ...] = (1, 2, 4, 8)
    filters: tuple[Filters, Filters, Filters, Filters] = (128, 256, 512, 512)
    """The sum over the blocks of each level."""
    max_blocks: tuple[PositiveInt, PositiveInt, PositiveInt, Literal[1, 2]] = (4, 4, 4, 2)
    """Most blocks on each level; those of the last must have equal filters, which three cannot."""
    edge_probability: Probability = 0.5
    """The probability of each admissible edge of a random network, so that searches start overly
    connected."""
    edge_threshold: Probability = 0.5
    """Edges with higher weights are kept by a mutation; of the others the weakest few go."""
    flow_iterations: PositiveInt = 20
    """Those of the published ++lite; flow is costly."""
    dropout: float = 0.0
    """The dropout of every network: in brief training runs it hides what a network could learn."""

    @property
    def network_genes(self) -> dict[str, tuple[Any, ...]]:
        """Values of each gene outside the graph."""
        return {
            "size_px": self.size_px,
            "frames": self.frames,
            "frame_stride": self.frame_stride,
            "sampling": self.sampling,
            "normalization": self.normalization,
            "repeats": tuple(DEPTHS[depth] for depth in self.depths),
            "width": self.widths,
            "attention": self.attentions,
        }

    def for_streams(self) -> Self:
        """The bounds without flow that is computed inside, which needs whole clips: its stems take
        frames."""
        stems = tuple("rgb" if kind == "flow" else kind for kind in self.stems)
        return super().for_streams().model_copy(update={"stems": stems})

    def hold(self, architecture: AssembleNet) -> bool:
        """Whether the architecture lies within the bounds."""
        fixed = _FIXED | {"flow_iterations": self.flow_iterations, "dropout": self.dropout}
        levels = [block.level for block in architecture.blocks]
        return (
            all(getattr(architecture, gene) == value for gene, value in fixed.items())
            and all(
                getattr(architecture, gene) in values for gene, values in self.network_genes.items()
            )
            and self.hold_clip(architecture)
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


def random_network(rng: np.random.Generator, bounds: AssembleNetBounds) -> AssembleNet:
    """Draw every gene but attention, each value of which is equally likely."""
    stems = tuple(Stem(kind=kind, dilation=pick(rng, bounds.dilations)) for kind in bounds.stems)
    blocks: list[Block] = []
    for level in range(LEVELS):
        blocks += _random_level(rng, bounds, level, first=len(stems) + len(blocks))
    genes = {gene: pick(rng, values) for gene, values in bounds.network_genes.items()}
    genes["frame_stride"] = pick(rng, bounds.strides(genes["frames"]))
    genes["attention"] = bounds.attentions[0]
    return AssembleNet(
        **genes,
        stems=stems,
        blocks=tuple(blocks),
        flow_iterations=bounds.flow_iterations,
        dropout=bounds.dropout,
    )


def shares(filters: int, blocks: int) -> list[int]:
    """The filters of a level for each of its blocks, as equal as multiples of eight can be."""
    grains, rest = divmod(filters // GRAIN, blocks)
    return [GRAIN * (grains + (index < rest)) for index in range(blocks)]


def _random_level(
    rng: np.random.Generator, bounds: AssembleNetBounds, level: int, first: int
) -> list[Block]:
    """Blocks of a level, of which the first has this index; edges from all lower levels."""
    count = int(rng.integers(1, bounds.max_blocks[level] + 1))
    return [
        Block(
            level=level,
            inputs=_some(rng, range(first), bounds.edge_probability),
            filters=filters,
            dilation=pick(rng, bounds.dilations),
            stride=STRIDES[level],
            name=f"b{node}",
        )
        for node, filters in enumerate(shares(bounds.filters[level], count), first)
    ]


def _some(
    rng: np.random.Generator, candidates: Sequence[int], probability: float
) -> tuple[int, ...]:
    """Draw each candidate with this probability, and one if that is none."""
    drawn = tuple(node for node in candidates if rng.random() < probability)
    return drawn or (pick(rng, candidates),)
