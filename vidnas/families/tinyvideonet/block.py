"""The genes of a block of Tiny Video Networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from vidnas.core.value import Value
from vidnas.layers.activation import Activation

SpatialType = Literal["std", "1std", "depth", "maxpool", "avgpool"]
TemporalType = Literal["1d", "maxpool", "avgpool"]


class Block(Value):
    """The genes of one block, which is repeated; only the first repeat strides.

    The temporal layer is present in the first, third, fifth, ... repeat. A kernel of one means no
    operation at all.
    """

    repeats: PositiveInt = 1
    spatial_type: SpatialType = "std"
    """1x1 then kxk convolution; kxk convolution alone; 1x1 then depthwise; pooling."""
    spatial_kernel: PositiveInt = 1
    spatial_stride: PositiveInt = 1
    temporal_type: TemporalType = "1d"
    temporal_kernel: PositiveInt = 1
    temporal_stride: PositiveInt = 1
    filters: PositiveInt
    expand: NonNegativeInt = 1
    """The block's output has filters * expand channels; in an inverted bottleneck its inside."""
    inverted_bottleneck: bool = False
    skip: bool = False
    squeeze: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Hidden width of squeeze-and-excite as a share of the channels; 0 is none."""
    context_gate: bool = False
    non_local: NonNegativeInt = 0
    """Bottleneck width of a non-local block after the last repeat; 0 is none."""
    act: Activation = "relu"
    spatial_act: Activation = "relu"
    temporal_act: Activation = "relu"

    @property
    def width(self) -> int:
        """Channels of the expanded features."""
        return self.filters * max(self.expand, 1)

    @property
    def hidden(self) -> int:
        """Hidden width of squeeze-and-excite."""
        return max(int(self.width * self.squeeze), 8) if self.squeeze > 0 else 0
