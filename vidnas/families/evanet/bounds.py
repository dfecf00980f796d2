"""The bounds of a search for EvaNets, and random draws: every value of a gene is equally likely."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from vidnas.families.bounded import Bounds
from vidnas.families.clips import VideoModality
from vidnas.families.evanet.modular import ModularNet
from vidnas.families.evanet.module import (
    LAYER_GENES,
    MAX_BRANCHES,
    Branch,
    BranchKind,
    ConvKind,
    Module,
    Time,
)
from vidnas.families.genes import pick
from vidnas.layers.spacetime import Profile

_NON_LOCAL = 0.1
"""Share of modules with a non-local block, which is costly; the published networks have none."""
_FIXED = ("modality", "width", "profile", "dropout")


class EvaNetBounds(Bounds):
    """The values that each gene may take: of the modality and the last three, only one."""

    branch_kinds: tuple[BranchKind, ...]
    conv_kinds: tuple[ConvKind, ...] = ("3d", "2+1d", "itgm")
    times: tuple[Time, ...] = (1, 3, 5, 7, 9, 11)
    max_branches: PositiveInt = MAX_BRANCHES
    repeats: tuple[PositiveInt, ...]
    non_local: tuple[bool, ...] = (False, True)
    max_positions: PositiveInt = 4096
    """Most positions (T x H x W) that a non-local block may attend from."""
    modality: VideoModality = "rgb"
    width: PositiveFloat = 0.125
    """The width of every network: an eighth of the published widths suits two CPU cores."""
    profile: Profile = "evanet"
    dropout: float = 0.0
    """The dropout of every network: in brief training runs it hides what a network could learn."""

    @property
    def fixed(self) -> dict[str, Any]:
        """The genes that are the same in every network."""
        return {gene: getattr(self, gene) for gene in _FIXED}

    def for_frames(self, frames: int) -> EvaNetBounds:
        """The bounds of layers that so many frames enter: the ends of a kernel that is longer than
        `2 frames - 1` only ever see padding."""
        times = tuple(time for time in self.times if time < 2 * frames)
        return self.model_copy(update={"times": times or self.times[:1]})

    def hold(self, architecture: ModularNet) -> bool:
        """Whether the architecture lies within the bounds."""
        return (
            all(getattr(architecture, gene) == value for gene, value in self.fixed.items())
            and self.hold_clip(architecture)
            and architecture.stem_conv in self.conv_kinds
            and architecture.stem_time in self.times
            and all(time in self.times for time in architecture.pool_times)
            and all(
                self._hold_module(module, positions=frames * size_px**2)
                for module, (frames, size_px) in zip(
                    architecture.modules, architecture.extents, strict=True
                )
            )
        )

    def _hold_module(self, module: Module, positions: int) -> bool:
        return (
            len(module.branches) <= self.max_branches
            and module.repeats in self.repeats
            and module.non_local in self.non_local
            and not (module.non_local and positions > self.max_positions)
            and all(self._hold_branch(branch) for branch in module.branches)
        )

    def _hold_branch(self, branch: Branch) -> bool:
        return branch.kind in self.branch_kinds and all(
            (conv is None or getattr(branch, conv) in self.conv_kinds)
            and getattr(branch, time) in self.times
            for conv, time in LAYER_GENES[branch.kind]
        )


def random_genes(rng: np.random.Generator, bounds: EvaNetBounds) -> dict[str, Any]:
    """Draw every gene of a network but its modules."""
    frames = pick(rng, bounds.frames)
    return {
        "frames": frames,
        "frame_stride": pick(rng, bounds.strides(frames)),
        "sampling": pick(rng, bounds.sampling),
        "normalization": pick(rng, bounds.normalization),
        "size_px": pick(rng, bounds.size_px),
        "stem_conv": pick(rng, bounds.conv_kinds),
        "stem_time": pick(rng, bounds.for_frames(frames).times),
        "pool_times": tuple(pick(rng, bounds.times) for _ in range(4)),
        **bounds.fixed,
    }


def random_module(rng: np.random.Generator, bounds: EvaNetBounds) -> Module:
    """Draw the branches of a module and how often it is repeated."""
    branches = int(rng.integers(1, bounds.max_branches + 1))
    return Module(
        branches=tuple(random_branch(rng, bounds) for _ in range(branches)),
        repeats=pick(rng, bounds.repeats),
        non_local=True in bounds.non_local and bool(rng.random() < _NON_LOCAL),
    )


def random_branch(rng: np.random.Generator, bounds: EvaNetBounds) -> Branch:
    """Draw a kind and the genes that it uses."""
    kind = pick(rng, bounds.branch_kinds)
    genes: dict[str, Any] = {}
    for conv, time in LAYER_GENES[kind]:
        if conv:
            genes[conv] = pick(rng, bounds.conv_kinds)
        genes[time] = pick(rng, bounds.times)
    return Branch(kind=kind, **genes)
