"""Which kernels see the same of what enters a block: a search visits the shortest of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.unit import Extent
from vidnas.layers.padding import windows


class Axis(NamedTuple):
    """Space or time, where a block has a layer."""

    size: int
    """Of what enters the block."""
    stride: int
    repeated: bool
    """Whether a later repeat has the layer as well, which does not stride."""
    causal: bool = False


def axes(block: Block, entry: Extent, *, causal: bool = False) -> dict[str, Axis]:
    """The axes along which a block has layers, by the genes of their kernels."""
    space = Axis(entry.size_px, block.spatial_stride, block.repeats > 1)
    if entry.frames == 1:
        return {"spatial_kernel": space}
    # Every second repeat has a temporal layer.
    time = Axis(entry.frames, block.temporal_stride, block.repeats > 2, causal)
    return {"spatial_kernel": space, "temporal_kernel": time}


def shortest(kernels: Sequence[int], kernel: int, axis: Axis) -> int:
    """The first of the kernels, in ascending order, that sees what this one does."""
    seen = _seen(kernel, axis)
    return next((one for one in kernels if _seen(one, axis) == seen), kernel)


def _seen(kernel: int, axis: Axis) -> Any:
    if kernel == 1:  # no layer
        return None
    if axis.causal:
        return min(kernel, axis.size)
    after = -(-axis.size // axis.stride)
    again = windows(after, kernel, 1) if axis.repeated else None
    return windows(axis.size, kernel, axis.stride), again
