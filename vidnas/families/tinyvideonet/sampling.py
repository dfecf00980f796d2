"""Random blocks and random networks, shaped like those that people and searches have found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from vidnas.families.mutating import pick
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.bounds import Bounds, TinyBounds

T = TypeVar("T")


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Draw yes or no."""
    return bool(rng.random() < probability)


def random_network(rng: np.random.Generator, bounds: Bounds) -> TinyVideoNet:
    """Draw a clip and two to five blocks; may lie outside the bounds."""
    frames = pick(rng, bounds.frames)
    blocks = min(int(rng.integers(2, 6)), bounds.max_blocks)
    return TinyVideoNet(
        image_size=pick(rng, bounds.image_size),
        frames=frames,
        in_channels=bounds.in_channels,
        dropout=bounds.dropout,
        frame_stride=pick(rng, bounds.strides(frames)),
        blocks=tuple(random_block(rng, bounds, index) for index in range(blocks)),
    )


def random_block(rng: np.random.Generator, bounds: TinyBounds, index: int) -> Block:
    """Draw a block for a position: early ones stride more and are narrower."""
    # Widths may double with every block, because each tends to quarter the resolution.
    expand = _low(rng, bounds.expand)
    widest = _FIRST_WIDTH * 2**index
    filters = [count for count in bounds.filters if count * expand <= widest]
    spatial_stride = _stride(rng, bounds.spatial_stride, 0.9 if index == 0 else 0.5)
    temporal_stride = _stride(rng, bounds.temporal_stride, 0.3)
    return Block(
        repeats=_low(rng, bounds.repeats),
        spatial_type=_mostly(rng, bounds.spatial_type, ("std", "1std", "depth")),
        spatial_kernel=_kernel(rng, bounds.spatial_kernel, spatial_stride),
        spatial_stride=spatial_stride,
        temporal_type=_mostly(rng, bounds.temporal_type, ("1d",)),
        temporal_kernel=_kernel(rng, bounds.temporal_kernel, temporal_stride),
        temporal_stride=temporal_stride,
        filters=pick(rng, filters or bounds.filters[:1]),
        expand=expand,
        inverted_bottleneck=chance(rng, 0.25),
        skip=chance(rng, 0.7),
        squeeze=random_ratio(rng) if chance(rng, 0.25) else 0.0,
        context_gate=chance(rng, 0.25),
        non_local=pick(rng, bounds.non_local) if chance(rng, 0.1) else 0,
        act=pick(rng, bounds.acts),
        spatial_act=pick(rng, bounds.acts),
        temporal_act=pick(rng, bounds.acts),
    )


def random_ratio(rng: np.random.Generator) -> float:
    """Draw a squeeze ratio above zero."""
    return round(float(rng.uniform(0.05, 1.0)), 3)


_FIRST_WIDTH = 64


def _mostly(rng: np.random.Generator, values: Sequence[T], preferred: Sequence[T]) -> T:
    """Draw one of the preferred values three times out of four: layers that learn, not pooling."""
    learning = [value for value in values if value in preferred]
    return pick(rng, learning if learning and chance(rng, 0.75) else values)


def _low(rng: np.random.Generator, values: Sequence[int]) -> int:
    """Draw one of the values; the first is likeliest, each further one half as likely."""
    return values[min(int(rng.geometric(0.5)) - 1, len(values) - 1)]


def _stride(rng: np.random.Generator, values: Sequence[int], probability: float) -> int:
    """Draw a stride above one with this probability, two being the likeliest."""
    above = [value for value in values if value > 1]
    return _low(rng, above) if above and chance(rng, probability) else values[0]


def _kernel(rng: np.random.Generator, values: Sequence[int], stride: int) -> int:
    """Draw a kernel; one is no operation and cannot stride."""
    return pick(rng, [value for value in values if stride == 1 or value > 1])
