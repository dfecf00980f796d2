"""AssembleNet, AssembleNet++ and ++lite: a graph of streams and blocks, as a value.

Ryoo, Piergiovanni, Tan, Angelova: AssembleNet, ICLR 2020, arXiv 1905.13209; Ryoo, Piergiovanni,
Kangaspunta, Angelova: AssembleNet++, ECCV 2020, arXiv 2008.08072. Semantics of the published code,
google-research/assemblenet; where that has defects, `rules` says which of the two is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from vidnas.core import ClipSpec, Modality, bounds
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture, Width, require_few, scaled
from vidnas.families.clips import FrameCount, NormalizedClips, SizePx
from vidnas.families.graph import Graph

DEPTHS: dict[int, tuple[int, int, int, int]] = {
    26: (2, 2, 2, 2),
    38: (2, 4, 4, 2),
    50: (3, 4, 6, 3),
    68: (3, 4, 12, 3),
    77: (3, 4, 15, 3),
    101: (3, 4, 23, 3),
}
"""Modules of a block on each level, by the depth that the network is named after."""

LEVEL_WIDTHS = (64, 128, 256, 512)
"""The width of the 3x3 convolutions of each level, whatever the filters of its blocks."""
LEVELS = len(LEVEL_WIDTHS)
EXPANSION = 4
"""A bottleneck block has so many times its filters at its exit."""
_STEMS_WIDTH, _LITE_STEM_WIDTH = 128, 24

StemKind = Literal["rgb", "flow", "precomputed_flow", "objects"]
ModuleKind = Literal["bottleneck", "inverted"]
Attention = Literal["none", "peer", "self"]

_MODALITIES: dict[StemKind, Modality] = {
    "rgb": "rgb",
    "flow": "rgb",
    "precomputed_flow": "flow",
    "objects": "objects",
}


class Stem(Value):
    """Where a stream enters."""

    kind: StemKind
    """`flow` is computed in the network from the RGB clip; `precomputed_flow` is a clip of its own;
    `objects` are maps of object classes."""
    dilation: PositiveInt = 1
    """The dilation of the convolution over time."""

    @property
    def modality(self) -> Modality:
        """The modality of the clip that the stream is made from."""
        return _MODALITIES[self.kind]


class Block(Value):
    """A node of the graph: fuses its inputs and runs the modules of its level."""

    level: Annotated[int, Field(ge=0, lt=LEVELS)]
    inputs: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """Nodes of lower levels, in ascending order: stems count from 0, blocks follow."""
    filters: PositiveInt | tuple[PositiveInt, PositiveInt, PositiveInt]
    """The width of a bottleneck; the widths of the three convolutions of an inverted one."""
    dilation: PositiveInt = 1
    """The dilation of the convolutions over time."""
    stride: PositiveInt = 2
    """The stride in space of the first module."""
    edge_weights: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    """One fixed weight per input; None learns them."""
    fused: PositiveInt | None = None
    """Channels of the fused inputs; by default those of the widest. The published ++lite takes the
    width of the picture instead."""
    name: str = ""
    """Kept along a lineage, so that its connections can be followed; by default the index."""


class AssembleNet(NormalizedClips, Architecture):
    """Stems, and blocks on four levels, each of which fuses blocks or stems of lower levels."""

    family: ClassVar[str] = "assemblenet"

    frames: FrameCount = 32
    size_px: SizePx = 224
    stems: Annotated[tuple[Stem, ...], Field(min_length=1)]
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    """In topological order."""
    repeats: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = DEPTHS[50]
    """Modules of a block on each level."""
    width: Width = 1.0
    """Multiplies all filters and the published widths."""
    module: ModuleKind = "bottleneck"
    """Modules alternate 2D and (2+1)D bottlenecks; ++lite has inverted 3D bottlenecks."""
    attention: Attention = "none"
    """What scales the channels of each input of a block, frame by frame: all nodes of lower levels
    (peer), or the input itself (AssembleNet++)."""
    flow_iterations: Annotated[int, Field(ge=1, le=bounds.PARTS)] = 40
    flow_normalization: Literal["sample", "batch"] = "sample"
    """What the brightness of a clip is scaled by before its flow is computed: its own range, or, as
    in the published code, that of all clips of the batch."""
    max_pool_predictions: bool = False
    """Classify each frame and pool the logits, instead of pooling the features."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rules: Literal["corrected", "published"] = "corrected"
    """`published`: blocks that reach no head are built, flow stems have no convolution over time,
    self attention keeps the layers of peer attention, the head of ++lite sees one block only."""

    @model_validator(mode="after")
    def _is_buildable(self) -> AssembleNet:
        require_few(len(self.stems) + sum(self.repeats[block.level] for block in self.blocks))
        if self.frames < 2 and any(stem.kind == "flow" for stem in self.stems):
            raise ValueError(f"flow needs 2 frames or more, not {self.frames}")
        if len(set(self.node_names)) < len(self.node_names):
            raise ValueError(f"two nodes have the same name: {', '.join(self.node_names)}")
        for index, block in enumerate(self.blocks, len(self.stems)):
            self._check_block(index, block)
        top = {block.filters for block in self.blocks if block.level == LEVELS - 1}
        if len(top) != 1:
            raise ValueError(
                f"the blocks of the last level have filters {sorted(map(str, top))}; give it one "
                "block or more, all of the same filters, whose mean the head takes"
            )
        return self

    def connected(self, graph: Graph, new: Mapping[str, Block]) -> tuple[Block, ...]:
        """The blocks, and new ones by name, as the graph connects them."""
        blocks = {**dict(zip(self.node_names[len(self.stems) :], self.blocks, strict=True)), **new}
        return tuple(
            blocks[name].model_copy(update={"inputs": graph.inputs(name)}) for name in graph.sources
        )

    def _check_block(self, index: int, block: Block) -> None:
        name = f"block {self.node_names[index]}"
        wrong = [i for i in block.inputs if i >= index or self.level(i) >= block.level]
        if wrong:
            raise ValueError(f"{name}: inputs {wrong} are not of a lower level than {block.level}")
        if list(block.inputs) != sorted(set(block.inputs)):
            raise ValueError(f"{name}: inputs {block.inputs} are not in ascending order")
        if isinstance(block.filters, tuple) != (self.module == "inverted"):
            raise ValueError(
                f"{name}: filters {block.filters} do not fit {self.module} modules, which have "
                f"{'three numbers' if self.module == 'inverted' else 'one number'}"
            )
        if block.edge_weights is not None and len(block.edge_weights) != len(block.inputs):
            raise ValueError(
                f"{name}: {len(block.edge_weights)} edge weights for {len(block.inputs)} inputs"
            )

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of stems, then blocks."""
        stems = tuple(str(index) for index in range(len(self.stems)))
        return stems + tuple(
            block.name or str(index) for index, block in enumerate(self.blocks, len(stems))
        )

    def level(self, node: int) -> int:
        """Level of a node; stems are on level -1."""
        return self.block(node).level if node >= len(self.stems) else -1

    def block(self, node: int) -> Block:
        """The block of a node that is not a stem."""
        return self.blocks[node - len(self.stems)]

    @property
    def graph(self) -> Graph:
        """What each block takes."""
        return Graph(self.node_names, [block.inputs for block in self.blocks])

    @property
    def live(self) -> frozenset[int]:
        """Nodes from which the head can be reached."""
        names = self.node_names
        top = [name for node, name in enumerate(names) if self.level(node) == LEVELS - 1]
        reached = self.graph.leading_to(top)
        return frozenset(node for node, name in enumerate(names) if name in reached)

    @property
    def built(self) -> tuple[int, ...]:
        """Nodes that the network has."""
        nodes = range(len(self.node_names))
        live = nodes if self.rules == "published" else self.live
        return tuple(node for node in nodes if node in live)

    @property
    def heads(self) -> tuple[int, ...]:
        """Nodes that the classifier sees."""
        top = tuple(node for node in self.built if self.level(node) == LEVELS - 1)
        return top[:1] if self.module == "inverted" and self.rules == "published" else top

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """RGB, precomputed flow and object maps, as far as there are stems for them."""
        wanted = {self.stems[node].modality for node in self.built if node < len(self.stems)}
        order: tuple[Modality, ...] = ("rgb", "flow", "objects")
        return tuple(self.clip(modality) for modality in order if modality in wanted)

    @property
    def sees_clips(self) -> bool:
        """Whether a stem takes a clip as it is normalised; flow is computed from it before."""
        return any(self.stems[node].kind != "flow" for node in self.built if node < len(self.stems))

    def scaled(self, filters: int) -> int:
        """A published number of channels at this width."""
        return scaled(filters, self.width)

    def channels(self, node: int) -> int:
        """Channels at the exit of a node."""
        if node >= len(self.stems):
            filters = self.block(node).filters
            return (
                self.scaled(filters[-1])
                if isinstance(filters, tuple)
                else EXPANSION * self.scaled(filters)
            )
        if self.stems[node].kind == "objects":
            return ClipSpec(modality="objects", frames=1, frame_stride=1, size_px=1).channels
        shared = _STEMS_WIDTH // len(self.stems)
        return self.scaled(_LITE_STEM_WIDTH if self.module == "inverted" else shared)

    @property
    def sizes_px(self) -> tuple[int, ...]:
        """The side of the features at the exit of each node."""
        sizes = [-(-self.size_px // (2 if self.module == "inverted" else 4))] * len(self.stems)
        for block in self.blocks:
            sizes.append(-(-min(sizes[source] for source in block.inputs) // block.stride))
        return tuple(sizes)

    def fused_channels(self, node: int) -> int:
        """Channels of a block's fused inputs."""
        block = self.block(node)
        if len(block.inputs) == 1:
            return self.channels(block.inputs[0])
        return block.fused or self._widest_input(block)

    def _widest_input(self, block: Block) -> int:
        """Most channels that an input has; object maps count where there is nothing else."""
        learned = [i for i in block.inputs if not self._is_objects(i)]
        return max(self.channels(i) for i in learned or block.inputs)

    def _is_objects(self, node: int) -> bool:
        return node < len(self.stems) and self.stems[node].kind == "objects"

    def canonical(self) -> AssembleNet:
        """The same network with every gene that cannot matter set to its neutral value."""
        stems = tuple(self._canonical_stem(node) for node in range(len(self.stems)))
        graph, names = self.graph, self.node_names
        graph.keep([*graph.entries, *(names[node] for node in self.built)])
        blocks = tuple(
            self._canonical_block(block, graph.inputs(name))
            for name, block in zip(names[len(stems) :], self.blocks, strict=True)
            if name in graph.sources
        )
        changes: dict[str, Any] = {
            "stems": stems, "blocks": blocks, **self.neutral_clip
        }  # fmt: skip
        if not any(stem.kind == "flow" for stem in stems):
            changes |= {"flow_iterations": 40, "flow_normalization": "sample"}
        if self.frames == 1:
            changes["max_pool_predictions"] = False
        return self.model_copy(update=changes)

    def _canonical_stem(self, node: int) -> Stem:
        stem = self.stems[node]
        if node not in self.built:
            return Stem(kind="rgb")
        still = stem.kind == "objects" or (
            "flow" in stem.kind and self.rules == "published" and self.module == "bottleneck"
        )
        return Stem(kind=stem.kind, dilation=1 if still else min(stem.dilation, self.frames))

    def _canonical_block(self, block: Block, inputs: tuple[int, ...]) -> Block:
        single = len(inputs) == 1
        over_time = self.module == "inverted" or self.repeats[block.level] > 1
        return block.model_copy(
            update={
                "inputs": inputs,
                "dilation": min(block.dilation, self.frames) if over_time else 1,
                "edge_weights": None if single else block.edge_weights,
                "fused": None
                if single or block.fused == self._widest_input(block)
                else block.fused,
                "name": "",
            }
        )
