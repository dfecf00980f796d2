"""Designs: networks that people drew or published, where a search begins."""

from __future__ import annotations

from collections.abc import Sequence

from vidnas.families.assemblenet.architecture import DEPTHS, AssembleNet, Block, Stem
from vidnas.families.assemblenet.bounds import STRIDES
from vidnas.families.assemblenet.published import PUBLISHED
from vidnas.families.clips import seen_both_ways

_Node = tuple[int, tuple[int, ...], int | tuple[int, int, int], int]
"""The level, the inputs, the filters and the dilation of a block."""


_STEMS = (
    Stem(kind="rgb", dilation=4),
    Stem(kind="rgb"),
    Stem(kind="flow"),
    Stem(kind="flow", dilation=2),
)
"""Two see appearance, two see motion."""
_CHAIN: tuple[_Node, ...] = ((1, (4,), 256, 1), (2, (5,), 512, 1), (3, (6,), 512, 1))
_APPEARANCE: tuple[_Node, ...] = ((0, (0, 1), 128, 1), *_CHAIN)
_EARLY_FUSION: tuple[_Node, ...] = ((0, (1, 2), 128, 1), *_CHAIN)
_TWO_STREAMS: tuple[_Node, ...] = (
    (0, (0, 1), 64, 1),
    (0, (2, 3), 64, 1),
    (1, (4,), 128, 1),
    (1, (5,), 128, 1),
    (2, (6,), 256, 1),
    (2, (7,), 256, 1),
    (3, (8, 9), 512, 1),
)
_ASSEMBLENET_50 = tuple(
    (block.level, block.inputs, block.filters, block.dilation)
    for block in PUBLISHED["assemblenet_50"]().blocks
)


def _network(
    frames: int, frame_stride: int, size_px: int, width: float, nodes: Sequence[_Node]
) -> AssembleNet:
    """A network of the given blocks, named after their indices."""
    blocks = tuple(
        Block(
            level=level,
            inputs=inputs,
            filters=filters,
            dilation=dilation,
            stride=STRIDES[level],
            name=f"b{index}",
        )
        for index, (level, inputs, filters, dilation) in enumerate(nodes, len(_STEMS))
    )
    return AssembleNet(
        frames=frames,
        frame_stride=frame_stride,
        size_px=size_px,
        width=width,
        repeats=DEPTHS[26],
        stems=_STEMS,
        blocks=blocks,
    )


DESIGNS: tuple[AssembleNet, ...] = (
    *seen_both_ways(_network(8, 2, 32, 0.25, _EARLY_FUSION)),
    *seen_both_ways(_network(4, 4, 32, 0.125, _EARLY_FUSION)),
    _network(8, 2, 32, 0.125, _ASSEMBLENET_50),
    _network(8, 2, 48, 0.25, _TWO_STREAMS),
    _network(8, 2, 64, 0.25, _APPEARANCE),
    _network(8, 2, 32, 0.25, _APPEARANCE),
    _network(8, 2, 32, 0.125, _APPEARANCE),
    _network(4, 4, 32, 0.125, _APPEARANCE),
    _network(8, 2, 48, 0.25, _ASSEMBLENET_50),
    _network(16, 1, 64, 0.25, _ASSEMBLENET_50),
)
