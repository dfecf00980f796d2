"""The Tiny Video Networks that a search may visit: bounds, random networks and mutations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveInt, field_validator
from typing_extensions import Self

from vidnas.core import Evaluation, Modality
from vidnas.core.clip import SAMPLINGS, Sampling
from vidnas.core.value import Value
from vidnas.families.bounded import BoundedSpace, Bounds
from vidnas.families.clips import CLIP_GENES, VideoModality, change_clip, single_modality
from vidnas.families.genes import Change, chance, genes_of, pick, redraw
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block, low
from vidnas.families.tinyvideonet.designs import DESIGNS
from vidnas.families.tinyvideonet.kernels import axes, shortest
from vidnas.families.tinyvideonet.unit import Extent, Unit

FRAMES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
GENES = genes_of(Block)
REACH = 2
"""Numbers move by up to so many values of their list."""
_FIRST_WIDTH = 64
_CONTINUING = 0.5
"""How often a new block continues the one before, whose features it leaves as they are, where both
end with ReLU, until it has learned something: a deeper network then knows what its parent did."""
_CONTINUED = {"repeats": 1, "spatial_stride": 1, "temporal_stride": 1, "skip": True}


class BlockBounds(Value):
    """The bounds that hold for every block, and for every network of blocks."""

    genes: dict[str, tuple[Any, ...]] = Field(default_factory=dict, validate_default=True)
    """Values that genes of blocks may take; by default those that the genes are declared with."""
    dropout: float = 0.0
    """The dropout of every network: in brief training runs it hides what a network could learn."""
    max_width: PositiveInt = 1024
    """Most channels anywhere."""
    max_positions: PositiveInt = 4096
    """Most positions (T x H x W) that a non-local block may attend from."""
    min_size_px: PositiveInt = 2
    """Smallest side of the last features."""

    @field_validator("genes")
    @classmethod
    def _are_genes(cls, genes: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for name, values in genes.items():
            for value in values:
                Block.model_validate({"filters": 1, name: value})
        return {name: gene.values for name, gene in GENES.items() if gene.values} | genes

    def for_frames(self, frames: int) -> Self:
        """The bounds of a block that so many frames enter: the ends of a kernel that is longer than
        `2 frames - 1` only ever see padding."""
        kernels = self.genes["temporal_kernel"]
        reaching = tuple(kernel for kernel in kernels if kernel < 2 * frames)
        if max(reaching, default=1) > 1:  # a kernel of one is no layer, and cannot stride
            kernels = reaching
        return self.model_copy(update={"genes": {**self.genes, "temporal_kernel": kernels}})

    def trimmed(self, block: Block, frames: int) -> Block:
        """The block with no longer a kernel over time than so many frames let it see."""
        longest = self.for_frames(frames).genes["temporal_kernel"][-1]
        kernel = min(block.temporal_kernel, longest)
        return block.model_copy(update={"temporal_kernel": kernel})

    def for_block(self, block: Block, entry: Extent, *, causal: bool = False) -> Self:
        """The bounds of a block that features of this extent enter: of kernels that see the same,
        the shortest."""
        genes = dict(self.for_frames(entry.frames).genes)
        for gene, axis in axes(block, entry, causal=causal).items():
            kernels = genes[gene]
            genes[gene] = tuple(k for k in kernels if shortest(kernels, k, axis) == k)
        return self.model_copy(update={"genes": genes})

    def stripped(self, block: Block, entry: Extent, *, causal: bool = False) -> Block:
        """The block with kernels no longer than what they see of features of this extent."""
        trimmed = self.trimmed(block, entry.frames)
        kernels = {
            gene: shortest(self.genes[gene], getattr(trimmed, gene), axis)
            for gene, axis in axes(block, entry, causal=causal).items()
        }
        return trimmed.model_copy(update=kernels)

    def hold_block(self, block: Block) -> bool:
        """Whether the genes of a block lie within the bounds."""
        return all(getattr(block, gene) in values for gene, values in self.genes.items())

    def afford(self, unit: Unit) -> bool:
        """Whether one repeat of a block is neither too wide nor attends to too much."""
        positions = unit.exit.frames * unit.exit.size_px**2
        return unit.width <= self.max_width and (
            unit.non_local == 0 or positions <= self.max_positions
        )


class TinyVideoBounds(BlockBounds, Bounds):
    """The bounds of chains of blocks on one clip."""

    modality: VideoModality = "rgb"
    max_blocks: PositiveInt = 8
    causal: Annotated[tuple[bool, ...], Field(exclude_if=lambda ways: ways == (False,))] = (False,)
    """Whether networks are causal; the first is that of the designs. Left out of what a space says
    of itself where there is no choice, as in studies from before there was one."""

    def for_streams(self) -> Self:
        """The bounds of networks for streams, in which causal ones take each frame once."""
        return super().for_streams().model_copy(update={"causal": (True, False)})

    def hold(self, architecture: TinyVideoNet) -> bool:
        """Whether the architecture lies within the bounds."""
        return (
            architecture.rules == "corrected"
            and architecture.dropout == self.dropout
            and architecture.modality == self.modality
            and architecture.causal in self.causal
            and self.hold_clip(architecture)
            and len(architecture.blocks) <= self.max_blocks
            and all(self.hold_block(block) for block in architecture.blocks)
            and architecture.units[-1].exit.size_px >= self.min_size_px
            and all(self.afford(unit) for unit in architecture.units)
        )


class TinyVideoSpace(BoundedSpace[TinyVideoNet, TinyVideoBounds]):
    """Tiny Video Networks within bounds."""

    architecture = TinyVideoNet
    drawn = DESIGNS

    def draw(self, rng: np.random.Generator) -> TinyVideoNet:
        """Draw a clip and two to five blocks; the network may lie outside the bounds."""
        bounds, frames = self.bounds, pick(rng, self.bounds.frames)
        blocks = min(int(rng.integers(2, 6)), bounds.max_blocks)
        return TinyVideoNet(
            size_px=pick(rng, bounds.size_px),
            frames=frames,
            modality=bounds.modality,
            dropout=bounds.dropout,
            frame_stride=pick(rng, bounds.strides(frames)),
            sampling=pick(rng, bounds.sampling),
            normalization=pick(rng, bounds.normalization),
            blocks=tuple(random_block(rng, bounds, index) for index in range(blocks)),
            causal=pick(rng, bounds.causal) if self._chooses_causal else bounds.causal[0],
        )

    def change(
        self, parent: TinyVideoNet, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Change one gene; the evaluation is not used."""
        mutations = [*MUTATIONS.values(), *([_causal] if self._chooses_causal else [])]
        return pick(rng, mutations)(parent, rng, self.bounds)

    def fitting(self, drawn: TinyVideoNet) -> dict[str, Any]:
        """The nearest clip, and what is the same in every network."""
        bounds = self.bounds
        clip = bounds.nearest_clip(drawn)
        same = {"modality": bounds.modality, "dropout": bounds.dropout}
        return {**clip, **same, "causal": bounds.causal[0]}

    def shrinking(self, design: TinyVideoNet) -> dict[str, Any]:
        """A smaller clip, and narrower blocks."""
        blocks = tuple(narrower(block, self.bounds) for block in design.blocks)
        return {**self.bounds.smaller_clip(design), "blocks": blocks}

    def trimmed(self, architecture: TinyVideoNet) -> TinyVideoNet:
        """The network with no kernel over time longer than its frames let it see."""
        blocks = tuple(
            self.bounds.trimmed(block, entry.frames)
            for block, entry in zip(architecture.blocks, architecture.entries, strict=True)
        )
        return architecture.model_copy(update={"blocks": blocks})

    def stripped(self, architecture: TinyVideoNet) -> TinyVideoNet:
        """The network with no kernel longer than what it sees."""
        causal = architecture.looks_back
        blocks = tuple(
            self.bounds.stripped(block, entry, causal=causal)
            for block, entry in zip(architecture.blocks, architecture.entries, strict=True)
        )
        return architecture.model_copy(update={"blocks": blocks})

    @property
    def _chooses_causal(self) -> bool:
        return len(self.bounds.causal) > 1


def narrower(block: Block, bounds: BlockBounds) -> Block:
    """The block with the next smaller number of filters, if there is one."""
    smaller = [filters for filters in bounds.genes["filters"] if filters < block.filters]
    return block.model_copy(update={"filters": max(smaller, default=block.filters)})


def space(
    *,
    max_size_px: int = 128,
    max_frames: int = 32,
    modalities: tuple[Modality, ...] = ("rgb",),
    sampling: tuple[Sampling, ...] = SAMPLINGS,
) -> TinyVideoSpace:
    """The default space for clips of up to this size and length, of RGB or of optical flow.

    Raises:
        UserError: the clips are too small, have no frames, or are of several modalities.
    """
    modality = single_modality(modalities)
    return TinyVideoSpace(
        TinyVideoBounds.for_videos(
            max_size_px, max_frames, FRAMES, modality=modality, sampling=sampling
        )
    )


def random_block(rng: np.random.Generator, bounds: BlockBounds, index: int) -> Block:
    """Draw a block for a position: early ones stride more and are narrower."""
    values = bounds.genes
    # Widths may double with every block, because each tends to quarter the resolution.
    expand, widest = low(rng, values["expand"]), _FIRST_WIDTH * 2**index
    filters = [count for count in values["filters"] if count * expand <= widest]
    spatial_stride = _stride(rng, values["spatial_stride"], 0.9 if index == 0 else 0.5)
    temporal_stride = _stride(rng, values["temporal_stride"], 0.3)
    drawn: dict[str, Any] = {
        "expand": expand,
        "spatial_stride": spatial_stride,
        "temporal_stride": temporal_stride,
    }
    fitting: dict[str, Sequence[Any]] = {
        **values,
        "filters": filters or values["filters"][:1],
        "spatial_kernel": _kernels(values["spatial_kernel"], spatial_stride),
        "temporal_kernel": _kernels(values["temporal_kernel"], temporal_stride),
    }
    for name, gene in GENES.items():
        if name not in drawn:
            drawn[name] = gene.draw(rng, fitting.get(name, ()))
    return Block(**drawn)


def change_block(
    gene: str, block: Block, rng: np.random.Generator, bounds: BlockBounds
) -> tuple[Block, str] | None:
    """Redraw a gene of a block; the block, and a phrase for people."""
    fresh, label = GENES[gene].fresh, GENES[gene].label or gene.replace("_", " ")
    values = (fresh(rng, getattr(block, gene)),) if fresh else bounds.genes[gene]
    change = redraw(block, gene, values, rng, label=label, reach=REACH)
    if change is None:
        return None
    genes, phrase = change
    return block.model_copy(update=genes), phrase


Mutation = Callable[[TinyVideoNet, np.random.Generator, TinyVideoBounds], Change | None]
"""Returns None where the gene cannot change."""


def _block_gene(
    gene: str, parent: TinyVideoNet, rng: np.random.Generator, bounds: TinyVideoBounds
) -> Change | None:
    index = int(rng.integers(len(parent.blocks)))
    block, entry = parent.blocks[index], parent.entries[index]
    reaching = bounds.for_block(block, entry, causal=parent.looks_back)
    changed = change_block(gene, block, rng, reaching)
    if changed is None:
        return None
    block, phrase = changed
    return _with_blocks(parent, index, 1, [block]), f"block {index + 1}: {phrase}"


def _add_block(
    parent: TinyVideoNet, rng: np.random.Generator, bounds: TinyVideoBounds
) -> Change | None:
    if len(parent.blocks) >= bounds.max_blocks:
        return None
    index = int(rng.integers(len(parent.blocks) + 1))
    block = random_block(rng, bounds, index)
    if index and chance(rng, _CONTINUING):
        again = parent.blocks[index - 1].model_copy(update=_CONTINUED)
        block = again if bounds.hold_block(again) else block
    phrase = f"block {index + 1}: added ({block.spatial_type}, {block.width} wide)"
    return _with_blocks(parent, index, 0, [block]), phrase


def _remove_block(
    parent: TinyVideoNet, rng: np.random.Generator, bounds: TinyVideoBounds
) -> Change | None:
    if len(parent.blocks) == 1:
        return None
    index = int(rng.integers(len(parent.blocks)))
    return _with_blocks(parent, index, 1, []), f"block {index + 1}: removed"


def _causal(
    parent: TinyVideoNet, rng: np.random.Generator, bounds: TinyVideoBounds
) -> Change | None:
    return redraw(parent, "causal", bounds.causal, rng, label="causal")


MUTATIONS: dict[str, Mutation] = {
    **{gene: partial(change_clip, gene, reach=REACH) for gene in (*CLIP_GENES, "normalization")},
    "add_block": _add_block,
    "remove_block": _remove_block,
    **{gene: partial(_block_gene, gene) for gene in GENES},
}
"""One mutation per gene kind, but for `causal`, which not every search chooses."""


def _with_blocks(
    parent: TinyVideoNet, index: int, removed: int, added: list[Block]
) -> dict[str, Any]:
    blocks = parent.blocks
    return {"blocks": (*blocks[:index], *added, *blocks[index + removed :])}


def _stride(rng: np.random.Generator, values: Sequence[int], probability: float) -> int:
    """Draw a stride above one with this probability, two being the likeliest."""
    above = [value for value in values if value > 1]
    return low(rng, above) if above and chance(rng, probability) else values[0]


def _kernels(values: Sequence[int], stride: int) -> list[int]:
    """The kernels that may have this stride; a kernel of one does nothing and cannot stride."""
    return [value for value in values if stride == 1 or value > 1]
