"""Tiny Video Networks: the genes, and the layers that they resolve to.

Piergiovanni, Angelova, Ryoo: Tiny Video Networks, arXiv 1910.06961. Block semantics follow the
published code; where that has defects, `rules` says which of the two a genome was made for.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from itertools import accumulate
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from vidnas.families.architecture import require_few
from vidnas.families.clips import SingleClip
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.unit import (
    Extent,
    Rules,
    Unit,
    block_units,
    canonical_block,
    reject_published_genes,
)


class TinyVideoNet(SingleClip):
    """A chain of blocks on one clip."""

    family: ClassVar[str] = "tinyvideonet"

    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    max_pool_predictions: bool = False
    """Classify each frame and pool the logits, instead of pooling the features."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    rules: Rules = "corrected"
    """`published`: a skip is always projected, is lost where the block strides in time, and kernels
    of one ignore their stride. `corrected`: a skip is the identity where the shape allows and is
    projected elsewhere; kernels of one may not stride."""

    causal: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Whether layers over time see the past only, and gates and non-local blocks one frame: what is
    computed of a frame then holds for all clips that it is in, and a stream computes it once.

    Left out of JSON where it is off, as in networks that were made before there was a choice."""

    @model_validator(mode="after")
    def _is_buildable(self) -> TinyVideoNet:
        require_few(sum(block.repeats for block in self.blocks))
        for number, block in enumerate(self.blocks, 1):
            if self.rules == "corrected":
                reject_published_genes(block, f"block {number}")
        for unit in self.units:
            gated = unit.context_gate or unit.hidden
            if gated and unit.gated_channels != unit.width:
                raise ValueError(
                    f"{unit.name}: with expand 0 its gates are {unit.width} wide and its features "
                    f"{unit.gated_channels}; use expand 1 or more"
                )
        return self

    @property
    def looks_back(self) -> bool:
        """Whether it is causal and has a past to see."""
        return self.causal and self.frames > 1

    @property
    def entry(self) -> Extent:
        """What enters the first block."""
        return Extent(self.frames, self.size_px, self.inputs[0].channels)

    @property
    def units(self) -> tuple[Unit, ...]:
        """All repeats of all blocks, resolved to layers."""
        extent = self.entry
        units: list[Unit] = []
        for index, block in enumerate(self.blocks):
            units.extend(block_units(block, index, extent, self.rules, causal=self.looks_back))
            extent = units[-1].exit
        return tuple(units)

    @property
    def entries(self) -> tuple[Extent, ...]:
        """What enters each block."""
        units, repeats = self.units, (block.repeats for block in self.blocks[:-1])
        return tuple(units[first].entry for first in accumulate(repeats, initial=0))

    def canonical(self) -> TinyVideoNet:
        """The same network with every gene that cannot matter set to its neutral value."""
        return _canonical(self)


@lru_cache(maxsize=1024)  # a candidate is asked for its digest many times
def _canonical(architecture: TinyVideoNet) -> TinyVideoNet:
    rules, causal = architecture.rules, architecture.looks_back
    blocks = tuple(
        canonical_block(block, entry, rules, causal=causal)
        for block, entry in zip(architecture.blocks, architecture.entries, strict=True)
    )
    same = architecture.model_copy(update={"blocks": blocks})
    changes = architecture.neutral_clip
    ahead = same.model_copy(update={"causal": False})
    changes["causal"] = same.causal and ahead.units != same.units
    if architecture.units[-1].exit.frames == 1:
        changes["max_pool_predictions"] = False
    corrected = same.model_copy(update={"rules": "corrected"})
    if all(block.expand for block in blocks) and corrected.units == same.units:
        changes["rules"] = "corrected"
    return same.model_copy(update=changes)
