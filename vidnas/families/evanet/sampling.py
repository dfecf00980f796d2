"""Random branches, modules and networks: every value of a gene is equally likely."""

from __future__ import annotations

from typing import Any

import numpy as np

from vidnas.families.evanet.bounds import Bounds
from vidnas.families.evanet.genes import LAYER_GENES
from vidnas.families.evanet.module import Branch, Module
from vidnas.families.mutating import pick

_NON_LOCAL = 0.1
"""Share of modules with a non-local block, which is dear; the published networks have none."""


def random_genes(rng: np.random.Generator, bounds: Bounds) -> dict[str, Any]:
    """Draw every gene of a network but its modules."""
    frames = pick(rng, bounds.frames)
    return {
        "frames": frames,
        "frame_stride": pick(rng, [s for s in bounds.frame_stride if bounds.span(frames, s)]),
        "size_px": pick(rng, bounds.size_px),
        "stem_conv": pick(rng, bounds.conv_kinds),
        "stem_time": pick(rng, bounds.times),
        "pool_times": tuple(pick(rng, bounds.times) for _ in range(4)),
        "in_channels": bounds.in_channels,
        "width": bounds.width,
        "profile": bounds.profile,
        "dropout": bounds.dropout,
    }


def random_module(rng: np.random.Generator, bounds: Bounds) -> Module:
    """Draw the branches of a module and how often it is repeated."""
    branches = int(rng.integers(1, bounds.max_branches + 1))
    return Module(
        branches=tuple(random_branch(rng, bounds) for _ in range(branches)),
        repeats=pick(rng, bounds.repeats),
        non_local=True in bounds.non_local and bool(rng.random() < _NON_LOCAL),
    )


def random_branch(rng: np.random.Generator, bounds: Bounds) -> Branch:
    """Draw a kind and the genes that it uses."""
    kind = pick(rng, bounds.branch_kinds)
    genes: dict[str, Any] = {}
    for conv, time in LAYER_GENES[kind]:
        if conv:
            genes[conv] = pick(rng, bounds.conv_kinds)
        genes[time] = pick(rng, bounds.times)
    return Branch(kind=kind, **genes)
