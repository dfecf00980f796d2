"""Mutations of Tiny Video Networks: each changes one gene and says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from vidnas.families.tinyvideonet.architecture import Block, TinyVideoNet
from vidnas.families.tinyvideonet.bounds import Bounds
from vidnas.families.tinyvideonet.sampling import chance, pick, random_block, random_ratio

Change = tuple[dict[str, Any], str]
"""Genes of the network to replace, and a phrase for people."""
Mutation = Callable[[TinyVideoNet, np.random.Generator, Bounds], Change | None]
"""None where the gene cannot change."""

_REACH = 2
"""Ordered genes move by up to so many values of their list."""


def _clip_gene(
    gene: str, label: str, parent: TinyVideoNet, rng: np.random.Generator, bounds: Bounds
) -> Change | None:
    old = getattr(parent, gene)
    values = _near(getattr(bounds, gene), old)
    if not values:
        return None
    new = pick(rng, values)
    return {gene: new}, f"{label} {old} -> {new}"


def _block_gene(
    gene: str, parent: TinyVideoNet, rng: np.random.Generator, bounds: Bounds
) -> Change | None:
    index = int(rng.integers(len(parent.blocks)))
    old = getattr(parent.blocks[index], gene)
    if gene == "squeeze":
        new = 0.0 if old and chance(rng, 0.3) else random_ratio(rng)
    else:
        values = bounds.block_genes[gene]
        ordered = isinstance(old, int) and not isinstance(old, bool)
        others = _near(values, old) if ordered else [value for value in values if value != old]
        if not others:
            return None
        new = pick(rng, others)
    block = parent.blocks[index].model_copy(update={gene: new})
    phrase = (
        f"block {index + 1}: {_LABELS.get(gene, gene.replace('_', ' '))} {_say(old)} -> {_say(new)}"
    )
    return _with_blocks(parent, index, 1, [block]), phrase


def _add_block(parent: TinyVideoNet, rng: np.random.Generator, bounds: Bounds) -> Change | None:
    if len(parent.blocks) >= bounds.max_blocks:
        return None
    index = int(rng.integers(len(parent.blocks) + 1))
    block = random_block(rng, bounds, index)
    phrase = f"block {index + 1}: added ({block.spatial_type}, {block.width} wide)"
    return _with_blocks(parent, index, 0, [block]), phrase


def _remove_block(parent: TinyVideoNet, rng: np.random.Generator, bounds: Bounds) -> Change | None:
    if len(parent.blocks) == 1:
        return None
    index = int(rng.integers(len(parent.blocks)))
    return _with_blocks(parent, index, 1, []), f"block {index + 1}: removed"


_LABELS = {
    "act": "activation",
    "spatial_act": "spatial activation",
    "temporal_act": "temporal activation",
    "non_local": "non-local",
}

MUTATIONS: dict[str, Mutation] = {
    "image_size": partial(_clip_gene, "image_size", "image size"),
    "frames": partial(_clip_gene, "frames", "frames"),
    "frame_stride": partial(_clip_gene, "frame_stride", "frame stride"),
    "add_block": _add_block,
    "remove_block": _remove_block,
    **{gene: partial(_block_gene, gene) for gene in Block.model_fields},
}
"""One mutation a gene kind."""


def _near(values: Sequence[int], old: int) -> list[int]:
    """Values at most two places away in their list."""
    place = values.index(old)
    return [value for other, value in enumerate(values) if 0 < abs(other - place) <= _REACH]


def _with_blocks(
    parent: TinyVideoNet, index: int, removed: int, added: list[Block]
) -> dict[str, Any]:
    blocks = parent.blocks
    return {"blocks": (*blocks[:index], *added, *blocks[index + removed :])}


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
