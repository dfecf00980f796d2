"""Mutations of Tiny Video Networks: each changes one gene and says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from vidnas.core.value import Value
from vidnas.families.mutating import Change, pick
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.bounds import Bounds, TinyBounds
from vidnas.families.tinyvideonet.sampling import chance, random_block, random_ratio

Mutation = Callable[[TinyVideoNet, np.random.Generator, Bounds], Change | None]
"""None where the gene cannot change."""

_REACH = 2
"""Ordered genes move by up to so many values of their list."""


def change_clip(
    gene: str, label: str, clip: Value, rng: np.random.Generator, bounds: TinyBounds
) -> Change | None:
    """Change a gene of a clip that the bounds list under the same name."""
    old = getattr(clip, gene)
    values = _near(getattr(bounds, gene), old)
    if not values:
        return None
    new = pick(rng, values)
    return {gene: new}, f"{label} {old} -> {new}"


def change_block(
    gene: str, block: Block, rng: np.random.Generator, bounds: TinyBounds
) -> tuple[Block, str] | None:
    """Change a gene of a block; the block, and a phrase for people."""
    old = getattr(block, gene)
    if gene == "squeeze":
        new = 0.0 if old and chance(rng, 0.3) else random_ratio(rng)
    else:
        values = bounds.block_genes[gene]
        ordered = isinstance(old, int) and not isinstance(old, bool)
        others = _near(values, old) if ordered else [value for value in values if value != old]
        if not others:
            return None
        new = pick(rng, others)
    phrase = f"{_LABELS.get(gene, gene.replace('_', ' '))} {_say(old)} -> {_say(new)}"
    return block.model_copy(update={gene: new}), phrase


def _block_gene(
    gene: str, parent: TinyVideoNet, rng: np.random.Generator, bounds: Bounds
) -> Change | None:
    index = int(rng.integers(len(parent.blocks)))
    changed = change_block(gene, parent.blocks[index], rng, bounds)
    if changed is None:
        return None
    block, phrase = changed
    return _with_blocks(parent, index, 1, [block]), f"block {index + 1}: {phrase}"


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

CLIP_GENES = {"image_size": "image size", "frames": "frames", "frame_stride": "frame stride"}
"""Genes of a clip, and what people call them."""

MUTATIONS: dict[str, Mutation] = {
    **{gene: partial(change_clip, gene, label) for gene, label in CLIP_GENES.items()},
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
