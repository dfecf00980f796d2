"""Designs: networks that people drew or published, where a search begins.

Their first two stems see appearance, the other two motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidnas.families.assemblenet.architecture import DEPTHS, AssembleNet, Block, Stem
from vidnas.families.assemblenet.published import PUBLISHED

_STRIDES = (1, 2, 2, 2)
Node = tuple[int, tuple[int, ...], int, int]
"""Level, inputs, filters and dilation of a block."""


def _network(nodes: Sequence[Node], **genes: Any) -> AssembleNet:
    stems = (Stem(kind="rgb"), Stem(kind="rgb", dilation=2), Stem(kind="flow"), Stem(kind="flow", dilation=2))
    blocks = tuple(
        Block(level=level, inputs=inputs, filters=filters, dilation=dilation, stride=_STRIDES[level], name=f"b{index}")
        for index, (level, inputs, filters, dilation) in enumerate(nodes, len(stems))
    )
    return AssembleNet(stems=stems, blocks=blocks, repeats=DEPTHS[26], **genes)


def _published(name, **genes):
    published = PUBLISHED[name]()
    nodes = [(b.level, b.inputs, b.filters, b.dilation) for b in published.blocks]
    return _network(nodes, **genes)


_APPEARANCE = [(0, (0, 1), 128, 1), (1, (4,), 256, 1), (2, (5,), 512, 1), (3, (6,), 512, 1)]
_MIXED = [(0, (0, 2), 128, 1), (1, (4,), 256, 1), (2, (5,), 512, 1), (3, (6,), 512, 1)]
_TWO_STREAM = [
    (0, (0, 1), 64, 1), (0, (2, 3), 64, 1), (1, (4,), 128, 1), (1, (5,), 128, 1),
    (2, (6,), 256, 1), (2, (7,), 256, 1), (3, (8, 9), 512, 1),
]
_SMALL = {"frames": 8, "frame_stride": 2, "size_px": 32, "width": 0.125}

DESIGNS = (
    _network(_APPEARANCE, frames=8, frame_stride=2, size_px=64, width=0.25),
    _network(_APPEARANCE, frames=8, frame_stride=2, size_px=64, width=0.125),
    _network(_APPEARANCE, frames=8, frame_stride=2, size_px=32, width=0.125),
    _network(_APPEARANCE, frames=16, frame_stride=1, size_px=64, width=0.125),
    _network(_MIXED, frames=8, frame_stride=2, size_px=64, width=0.125),
    _network(_TWO_STREAM, frames=8, frame_stride=2, size_px=64, width=0.25),
    _published("assemblenet_50", frames=8, frame_stride=2, size_px=64, width=0.25),
    _published("assemblenet_50", frames=8, frame_stride=2, size_px=64, width=0.125),
    _published("assemblenet_50", frames=16, frame_stride=1, size_px=64, width=0.25),
)
