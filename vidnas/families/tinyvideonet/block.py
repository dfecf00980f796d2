"""The genes of a block of Tiny Video Networks, and what a search does with each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from vidnas.core.value import Value
from vidnas.families.genes import Gene, chance, pick
from vidnas.layers.activation import Activation

SpatialType = Literal["std", "1std", "depth", "maxpool", "avgpool"]
TemporalType = Literal["1d", "maxpool", "avgpool"]


def low(rng: np.random.Generator, values: Sequence[int]) -> int:
    """Draw one of the values; the first is likeliest, each further one half as likely."""
    return values[min(int(rng.geometric(0.5)) - 1, len(values) - 1)]


def _learning(rng: np.random.Generator, values: Sequence[str]) -> str:
    """Draw a layer that learns, rather than pooling, three times out of four."""
    learning = [value for value in values if not value.endswith("pool")]
    return pick(rng, learning if learning and chance(rng, 0.75) else values)


def _rarely(rng: np.random.Generator, values: Sequence[int]) -> int:
    """Draw any of the values one time out of ten, and 0 otherwise."""
    return pick(rng, values) if chance(rng, 0.1) else 0


def _ratio(rng: np.random.Generator) -> float:
    """Draw a squeeze ratio above zero."""
    return round(float(rng.uniform(0.05, 1.0)), 3)


def _some_ratio(rng: np.random.Generator, _: Sequence[float]) -> float:
    """Draw a ratio one time out of four, and 0 otherwise."""
    return _ratio(rng) if chance(rng, 0.25) else 0.0


def _other_ratio(rng: np.random.Generator, old: float) -> float:
    """Draw a ratio, or 0 three times out of ten where there was one."""
    return 0.0 if old and chance(rng, 0.3) else _ratio(rng)


def _on(rng: np.random.Generator, _: Sequence[bool], *, probability: float) -> bool:
    return chance(rng, probability)


def _flag(probability: float) -> Gene:
    """A gene that is on with this probability in a random block."""
    return Gene((False, True), draw=partial(_on, probability=probability))


def _activation(label: str) -> Gene:
    return Gene(("relu", "hswish"), label=label)


class Block(Value):
    """The genes of one block, which is repeated; only the first repeat strides.

    The temporal layer is present in the first, third, fifth, ... repeat. A kernel of one means no
    operation at all.
    """

    repeats: Annotated[PositiveInt, Gene((1, 2, 3, 4, 5, 6, 7, 8), draw=low)] = 1
    spatial_type: Annotated[
        SpatialType, Gene(("std", "1std", "depth", "maxpool", "avgpool"), draw=_learning)
    ] = "std"
    """1x1 then kxk convolution; kxk convolution alone; 1x1 then depthwise; pooling."""
    spatial_kernel: Annotated[PositiveInt, Gene((1, 2, 3, 4, 5, 7))] = 1
    spatial_stride: Annotated[PositiveInt, Gene((1, 2, 3, 4))] = 1
    temporal_type: Annotated[TemporalType, Gene(("1d", "maxpool", "avgpool"), draw=_learning)] = (
        "1d"
    )
    temporal_kernel: Annotated[PositiveInt, Gene((1, 2, 3, 5))] = 1
    temporal_stride: Annotated[PositiveInt, Gene((1, 2, 3))] = 1
    filters: Annotated[PositiveInt, Gene((16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512))]
    expand: Annotated[NonNegativeInt, Gene((1, 2, 3, 4, 5, 6, 8), draw=low)] = 1
    """The block's output has filters * expand channels; in an inverted bottleneck its inside."""
    inverted_bottleneck: Annotated[bool, _flag(0.25)] = False
    skip: Annotated[bool, _flag(0.7)] = False
    squeeze: Annotated[float, Field(ge=0, le=1), Gene(draw=_some_ratio, fresh=_other_ratio)] = 0.0
    """Hidden width of squeeze-and-excite as a share of the channels; 0 is none. A search visits any
    ratio."""
    context_gate: Annotated[bool, _flag(0.25)] = False
    non_local: Annotated[
        NonNegativeInt, Gene((0, 8, 16, 32, 64), draw=_rarely, label="non-local")
    ] = 0
    """Bottleneck width of a non-local block after the last repeat; 0 is none."""
    act: Annotated[Activation, _activation("activation")] = "relu"
    spatial_act: Annotated[Activation, _activation("spatial activation")] = "relu"
    temporal_act: Annotated[Activation, _activation("temporal activation")] = "relu"

    @property
    def width(self) -> int:
        """Channels of the expanded features."""
        return self.filters * max(self.expand, 1)

    @property
    def hidden(self) -> int:
        """Hidden width of squeeze-and-excite."""
        return max(int(self.width * self.squeeze), 8) if self.squeeze > 0 else 0
