"""Tiny Video Networks: the genes, and the layers that they resolve to.

Piergiovanni, Angelova, Ryoo: Tiny Video Networks, arXiv 1910.06961. Block semantics follow the
published code; where that has defects, `rules` says which of the two a genome was made for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from vidnas.core import Channels, ClipSpec, Diagram, modality_of
from vidnas.core.value import Value
from vidnas.families.base import Architecture
from vidnas.families.tinyvideonet.unit import Extent, Rules, Unit, resolve
from vidnas.layers.activation import Activation

if TYPE_CHECKING:
    from vidnas.families.tinyvideonet.network import TinyVideoNetwork


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


class TinyVideoNet(Architecture):
    """A chain of blocks on one clip."""

    family: ClassVar[str] = "tinyvideonet"

    image_size: PositiveInt
    frames: PositiveInt
    frame_stride: PositiveInt = 1
    in_channels: Channels = 3
    """3 for RGB, 2 for optical flow."""
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    max_pool_predictions: bool = False
    """Classify each frame and pool the logits, instead of pooling the features."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    rules: Rules = "corrected"
    """`published`: a skip is always projected, is lost where the block strides in time, and kernels
    of one ignore their stride. `corrected`: a skip is the identity where the shape allows and is
    projected elsewhere; kernels of one may not stride."""

    @model_validator(mode="after")
    def _is_buildable(self) -> TinyVideoNet:
        for number, block in enumerate(self.blocks, 1):
            if self.rules == "corrected":
                refuse_published_genes(block, f"block {number}")
        for unit in self.units:
            gated = unit.context_gate or unit.hidden
            if gated and unit.gated_channels != unit.width:
                raise ValueError(
                    f"{unit.name}: with expand 0 its gates are {unit.width} wide and its features "
                    f"{unit.gated_channels}; use expand 1 or more"
                )
        return self

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """One clip."""
        spec = ClipSpec(
            modality=modality_of(self.in_channels),
            frames=self.frames,
            frame_stride=self.frame_stride,
            size_px=self.image_size,
        )
        return (spec,)

    @property
    def units(self) -> tuple[Unit, ...]:
        """All repeats of all blocks, resolved to layers."""
        extent = Extent(self.frames, self.image_size, channels=self.in_channels)
        units: list[Unit] = []
        for index, block in enumerate(self.blocks):
            units.extend(block_units(block, index, extent, self.rules))
            extent = units[-1].exit
        return tuple(units)

    def build(self, num_classes: int) -> TinyVideoNetwork:
        """Build the network with fresh weights, drawn from torch's current generator."""
        from vidnas.families.tinyvideonet.network import TinyVideoNetwork

        return TinyVideoNetwork(self, num_classes)

    def canonical(self) -> TinyVideoNet:
        """The same network with every gene that cannot matter set to its neutral value."""
        return _canonical(self)

    def diagram(self) -> Diagram:
        """One column a block, and the head."""
        from vidnas.families.tinyvideonet.drawing import draw

        return draw(self)


@lru_cache(maxsize=1024)  # a candidate is asked for its digest many times
def _canonical(architecture: TinyVideoNet) -> TinyVideoNet:
    extent = Extent(architecture.frames, architecture.image_size, channels=architecture.in_channels)
    blocks = []
    for index, original in enumerate(architecture.blocks):
        blocks.append(canonical_block(original, extent, architecture.rules))
        extent = block_units(original, index, extent, architecture.rules)[-1].exit
    same = architecture.model_copy(update={"blocks": tuple(blocks)})
    changes: dict[str, Any] = {}
    if architecture.frames == 1:
        changes["frame_stride"] = 1
    if extent.frames == 1:
        changes["max_pool_predictions"] = False
    corrected = same.model_copy(update={"rules": "corrected"})
    if all(block.expand for block in blocks) and corrected.units == same.units:
        changes["rules"] = "corrected"
    return same.model_copy(update=changes)


def block_units(block: Block, index: int, entry: Extent, rules: Rules) -> list[Unit]:
    """Resolve all repeats of one block."""
    units: list[Unit] = []
    for repeat in range(block.repeats):
        extent = units[-1].exit if units else entry
        units.append(
            resolve(
                block,
                extent,
                rules,
                name=f"Block-{index}-{repeat}",
                repeat=repeat,
                in_time=entry.frames > 1,
            )
        )
    return units


def canonical_block(block: Block, entry: Extent, rules: Rules) -> Block:
    """The block with every gene that cannot matter set to its neutral value.

    A gene cannot matter where its neutral value resolves to the same layers.
    """
    units = block_units(block, 0, entry, rules)
    for genes in _neutral_genes(block):
        neutral = block.model_copy(update=genes)
        if neutral != block and block_units(neutral, 0, entry, rules) == units:
            block = neutral
    return block


def refuse_published_genes(block: Block, name: str) -> None:
    """Refuse genes that only the `published` rules give a meaning.

    Raises:
        ValueError: a kernel of one strides, or expand is 0.
    """
    for axis in ("spatial", "temporal"):
        kernel, stride = getattr(block, f"{axis}_kernel"), getattr(block, f"{axis}_stride")
        if kernel == 1 and stride > 1:
            raise ValueError(
                f"{name}: {axis} kernel 1 is no operation and cannot stride by {stride}; use a "
                "larger kernel or stride 1"
            )
    if block.expand == 0:
        raise ValueError(f"{name}: expand is 0; use 1 or more")


def _neutral_genes(block: Block) -> Iterator[dict[str, Any]]:
    """Neutral values to try, one after the other."""
    yield {"temporal_kernel": 1, "temporal_stride": 1}
    yield {"temporal_stride": 1}
    yield {"temporal_type": "1d"}
    yield {"temporal_act": "relu"}
    yield {"spatial_stride": 1}
    yield {"spatial_type": "std"}
    yield {"spatial_act": "relu"}
    yield {"skip": False}
    yield {"inverted_bottleneck": False}
    if block.expand:
        yield {"filters": block.width, "expand": 1}
    if block.squeeze:
        # The middle of all ratios that give the same hidden width survives rounding.
        yield {"squeeze": min(1.0, (block.hidden + 0.5) / block.width)}
