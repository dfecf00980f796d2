"""The AssembleNet networks that a search may visit, and their mutations.

Each mutation changes one block, stem or gene, and says so. Splitting and merging keep the filters
of a level, so that networks of different graphs compare.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any, cast

import numpy as np

from vidnas.core import Evaluation, Modality, UserError
from vidnas.core.clip import SAMPLINGS, Sampling
from vidnas.families.architecture import Architecture
from vidnas.families.assemblenet.architecture import DEPTHS, AssembleNet, Block, Stem, StemKind
from vidnas.families.assemblenet.bounds import GRAIN, AssembleNetBounds, random_network, shares
from vidnas.families.assemblenet.designs import DESIGNS
from vidnas.families.assemblenet.guidance import exchange_edges, random_weights
from vidnas.families.bounded import BoundedSpace
from vidnas.families.clips import CLIP_GENES, change_clip
from vidnas.families.genes import Change, pick, redraw

_FRAMES = (4, 6, 8, 12, 16, 24, 32, 48, 64)
_STEMS: dict[frozenset[Modality], tuple[StemKind, ...]] = {
    frozenset({"rgb"}): ("rgb", "rgb", "flow", "flow"),
    frozenset({"rgb", "flow"}): ("rgb", "rgb", "precomputed_flow", "precomputed_flow"),
}


class AssembleNetSpace(BoundedSpace[AssembleNet, AssembleNetBounds]):
    """Graphs of two streams of appearance and two of motion, within bounds."""

    architecture = AssembleNet
    drawn = DESIGNS

    def draw(self, rng: np.random.Generator) -> AssembleNet:
        """Draw a network with many connections."""
        return random_network(rng, self.bounds)

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[AssembleNet, tuple[str, ...]]:
        """Exchange edges, then apply `strength` changes.

        The parent's connection weights decide which edges go. Without an evaluation, or with one
        that has no such weights, random ones do. If every edge stays, there is no phrase for it.
        """
        if not isinstance(parent, AssembleNet):
            raise TypeError(f"a {type(parent).__name__} is not an AssembleNet")
        weights = evaluation.connection_weights if evaluation else {}
        weights = weights or random_weights(parent, rng)
        exchange = exchange_edges(parent, rng, weights, self.bounds.edge_threshold)
        genes, *said = exchange or ({},)
        rewired = parent.model_copy(update=genes)
        child, phrases = super().mutate(rewired, rng, evaluation, strength)
        while child.digest == parent.digest:  # the changes undid the exchange
            child, phrases = super().mutate(rewired, rng, evaluation, strength)
        return child, (*said, *phrases)

    def change(
        self, parent: AssembleNet, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Change one block, stem or gene."""
        return pick(rng, tuple(MUTATIONS.values()))(parent, rng, self.bounds)

    def fitting(self, drawn: AssembleNet) -> dict[str, Any]:
        """The nearest clip, and what is the same in every network."""
        bounds = self.bounds
        stems = tuple(
            stem.model_copy(update={"kind": kind})
            for stem, kind in zip(drawn.stems, bounds.stems, strict=False)
        )
        fixed = {"flow_iterations": bounds.flow_iterations, "dropout": bounds.dropout}
        return {**bounds.nearest_clip(drawn), **fixed, "stems": stems}

    def shrinking(self, design: AssembleNet) -> dict[str, Any]:
        """A smaller clip, and the next smaller width."""
        narrower = [width for width in self.bounds.widths if width < design.width]
        return {
            **self.bounds.smaller_clip(design),
            "width": max(narrower, default=design.width),
        }

    def stripped(self, architecture: AssembleNet) -> AssembleNet:
        """The network; where no stem sees how clips are normalised, in the first way."""
        if architecture.sees_clips:
            return architecture
        return architecture.model_copy(update={"normalization": self.bounds.normalization[0]})


def space(
    *,
    max_size_px: int = 128,
    max_frames: int = 32,
    modalities: tuple[Modality, ...] = ("rgb",),
    sampling: tuple[Sampling, ...] = SAMPLINGS,
) -> AssembleNetSpace:
    """The default space for clips of up to this size and length.

    Motion is computed from the frames, or comes as a clip of optical flow.

    Raises:
        UserError: the clips are too small or too short, or none of them is of RGB.
    """
    stems = _STEMS.get(frozenset(modalities))
    if stems is None:
        raise UserError(
            "AssembleNet connects streams of appearance and of motion, which cannot be made from "
            f"{' and '.join(modalities)}; use rgb, or rgb and flow."
        )
    if max_frames < 2:
        raise UserError(f"There is no motion in clips of {max_frames} frame(s); use 2 or more.")
    return AssembleNetSpace(
        AssembleNetBounds.for_videos(
            max_size_px, max_frames, _FRAMES, stems=stems, sampling=sampling
        )
    )


Mutation = Callable[[AssembleNet, np.random.Generator, AssembleNetBounds], Change | None]
"""Returns None where there is nothing to change."""

_DEPTH_NAMES = {modules: str(depth) for depth, modules in DEPTHS.items()}


def _dilation(
    parent: AssembleNet, rng: np.random.Generator, bounds: AssembleNetBounds
) -> Change | None:
    nodes: list[Stem | Block] = [*parent.stems, *parent.blocks]
    index = int(rng.integers(len(nodes)))
    change = redraw(nodes[index], "dilation", bounds.dilations, rng, label="dilation")
    if change is None:
        return None
    nodes[index] = nodes[index].model_copy(update=change[0])
    first = len(parent.stems)
    kind = "stem" if index < first else "block"
    genes = {"stems": tuple(nodes[:first]), "blocks": tuple(nodes[first:])}
    return genes, f"{kind} {parent.node_names[index]}: {change[1]}"


def _split(
    parent: AssembleNet, rng: np.random.Generator, bounds: AssembleNetBounds
) -> Change | None:
    """Two blocks of half the filters, with the inputs and the outputs of one."""
    place = int(rng.integers(len(parent.blocks)))
    block = parent.blocks[place]
    level = [other for other in parent.blocks if other.level == block.level]
    if len(level) >= bounds.max_blocks[block.level] or _filters(block) < 2 * GRAIN:
        return None
    new = f"b{max(map(_number, parent.blocks)) + 1}"
    halves = {
        name: block.model_copy(update={"name": name, "filters": filters})
        for name, filters in zip((block.name, new), shares(_filters(block), 2), strict=True)
    }
    graph = parent.graph
    for sources in graph.sources.values():
        if block.name in sources:
            sources.add(new)
    graph.add(new, graph.sources[block.name], place + 1)
    genes = {"blocks": parent.connected(graph, halves)}
    return genes, f"block {block.name} split into {block.name} and {new}"


def _merge(
    parent: AssembleNet, rng: np.random.Generator, bounds: AssembleNetBounds
) -> Change | None:
    """One block of the filters, the inputs and the outputs of two."""
    pairs = [(a, b) for a, b in combinations(parent.blocks, 2) if a.level == b.level]
    if not pairs:
        return None
    # The younger name stays, so that no later block can be given it again.
    gone, kept = sorted(pick(rng, pairs), key=_number)
    merged = kept.model_copy(update={"filters": _filters(gone) + _filters(kept)})
    graph = parent.graph
    graph.sources[kept.name] |= graph.sources[gone.name]
    graph.remove(gone.name, heirs=[kept.name])
    genes = {"blocks": parent.connected(graph, {kept.name: merged})}
    return genes, f"block {gone.name} merged into {kept.name}"


def _network_gene(
    parent: AssembleNet,
    rng: np.random.Generator,
    bounds: AssembleNetBounds,
    *,
    gene: str,
    label: str = "",
) -> Change | None:
    values = bounds.network_genes[gene]
    return redraw(parent, gene, values, rng, label=label or gene, names=_DEPTH_NAMES)


MUTATIONS: dict[str, Mutation] = {
    "dilation": _dilation,
    "split": _split,
    "merge": _merge,
    **{gene: partial(change_clip, gene) for gene in (*CLIP_GENES, "normalization")},
    "width": partial(_network_gene, gene="width"),
    "repeats": partial(_network_gene, gene="repeats", label="depth"),
    "attention": partial(_network_gene, gene="attention"),
}
"""One mutation per gene kind."""


def _filters(block: Block) -> int:
    return cast("int", block.filters)  # of the bottlenecks that are searched


def _number(block: Block) -> int:
    """12 of the name "b12"."""
    digits = block.name[1:]
    return int(digits) if digits.isdecimal() else 0
