"""Random networks, overly connected: evolution then finds which connections they can do without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidnas.families.assemblenet.architecture import LEVELS, AssembleNet, Block, Stem
from vidnas.families.assemblenet.bounds import GRAIN, STRIDES, Bounds
from vidnas.families.mutating import pick


def random_network(rng: np.random.Generator, bounds: Bounds) -> AssembleNet:
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


def _random_level(rng: np.random.Generator, bounds: Bounds, level: int, first: int) -> list[Block]:
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
