"""Mutations of AssembleNet's networks: each changes one block, stem or gene, and says so.

Splitting and merging keep the filters of a level, so that networks of different graphs compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, cast

import numpy as np

from vidnas.families.assemblenet.architecture import DEPTHS, AssembleNet, Block, Stem
from vidnas.families.assemblenet.bounds import GRAIN, Bounds
from vidnas.families.assemblenet.sampling import shares
from vidnas.families.mutating import Change, pick

Mutation = Callable[[AssembleNet, np.random.Generator, Bounds], Change | None]
"""None where there is nothing to change."""

_DEPTH_NAMES = {modules: depth for depth, modules in DEPTHS.items()}


def _dilation(parent: AssembleNet, rng: np.random.Generator, bounds: Bounds) -> Change | None:
    nodes: list[Stem | Block] = [*parent.stems, *parent.blocks]
    index = int(rng.integers(len(nodes)))
    old = nodes[index].dilation
    others = [value for value in bounds.dilations if value != old]
    if not others:
        return None
    new = pick(rng, others)
    nodes[index] = nodes[index].model_copy(update={"dilation": new})
    first = len(parent.stems)
    kind = "stem" if index < first else "block"
    genes = {"stems": tuple(nodes[:first]), "blocks": tuple(nodes[first:])}
    return genes, f"{kind} {parent.node_names[index]}: dilation {old} -> {new}"


def _split(parent: AssembleNet, rng: np.random.Generator, bounds: Bounds) -> Change | None:
    """Two blocks of half the filters, with the inputs and the outputs of one."""
    place = int(rng.integers(len(parent.blocks)))
    block = parent.blocks[place]
    level = [other for other in parent.blocks if other.level == block.level]
    if len(level) >= bounds.max_blocks[block.level] or _filters(block) < 2 * GRAIN:
        return None
    names = (block.name, f"b{max(map(_number, parent.blocks)) + 1}")
    halves = [
        block.model_copy(update={"name": name, "filters": filters})
        for name, filters in zip(names, shares(_filters(block), 2), strict=True)
    ]
    blocks = (*parent.blocks[:place], *halves, *parent.blocks[place + 1 :])
    genes = {"blocks": _connected(parent, blocks, {block.name: names})}
    return genes, f"block {block.name} split into {names[0]} and {names[1]}"


def _merge(parent: AssembleNet, rng: np.random.Generator, bounds: Bounds) -> Change | None:
    """One block of the filters, the inputs and the outputs of two."""
    pairs = [(a, b) for a, b in combinations(parent.blocks, 2) if a.level == b.level]
    if not pairs:
        return None
    # The younger name stays, so that no later block can be given it again.
    gone, kept = sorted(pick(rng, pairs), key=_number)
    merged = kept.model_copy(
        update={
            "filters": _filters(gone) + _filters(kept),
            "inputs": tuple(sorted({*gone.inputs, *kept.inputs})),
        }
    )
    blocks = [merged if block is kept else block for block in parent.blocks if block is not gone]
    genes = {"blocks": _connected(parent, blocks, {gone.name: (kept.name,)})}
    return genes, f"block {gone.name} merged into {kept.name}"


def _network_gene(
    gene: str, label: str, parent: AssembleNet, rng: np.random.Generator, bounds: Bounds
) -> Change | None:
    old = getattr(parent, gene)
    others = [value for value in bounds.network_genes[gene] if value != old]
    if not others:
        return None
    new = pick(rng, others)
    return {gene: new}, f"{label} {_say(old)} -> {_say(new)}"


MUTATIONS: dict[str, Mutation] = {
    "dilation": _dilation,
    "split": _split,
    "merge": _merge,
    "size_px": partial(_network_gene, "size_px", "size"),
    "frames": partial(_network_gene, "frames", "frames"),
    "frame_stride": partial(_network_gene, "frame_stride", "frame stride"),
    "width": partial(_network_gene, "width", "width"),
    "repeats": partial(_network_gene, "repeats", "depth"),
    "attention": partial(_network_gene, "attention", "attention"),
}
"""One mutation a gene kind."""


def _connected(
    parent: AssembleNet, blocks: Sequence[Block], heirs: Mapping[str, Sequence[str]]
) -> tuple[Block, ...]:
    """The blocks, whose inputs are nodes of the parent, with inputs from these nodes or heirs."""
    stems = parent.node_names[: len(parent.stems)]
    places = {name: i for i, name in enumerate((*stems, *(block.name for block in blocks)))}

    def moved(nodes: Sequence[int]) -> tuple[int, ...]:
        sources = [parent.node_names[node] for node in nodes]
        return tuple(sorted({places[heir] for one in sources for heir in heirs.get(one, (one,))}))

    return tuple(block.model_copy(update={"inputs": moved(block.inputs)}) for block in blocks)


def _filters(block: Block) -> int:
    return cast("int", block.filters)  # of the bottlenecks that are searched


def _number(block: Block) -> int:
    """12 of the name "b12"."""
    digits = block.name[1:]
    return int(digits) if digits.isdecimal() else 0


def _say(value: Any) -> str:
    return str(_DEPTH_NAMES.get(value, value))
