"""Mutations of EvaNet's networks: each changes one gene and says so.

The four of the paper (Piergiovanni et al., ICCV 2019): the type of a space-time convolution, a
temporal length, a parallel layer more or less, the repeats; and one for each gene outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.bounds import Bounds
from vidnas.families.evanet.genes import CONV_NAMES, LAYER_GENES, layer_name, layers
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.module import Branch, Module
from vidnas.families.evanet.sampling import random_branch
from vidnas.families.mutating import Change, pick

T = TypeVar("T")

ModuleMutation = Callable[[Module, np.random.Generator, Bounds], tuple[Module, str] | None]
"""The changed module and a phrase for people; None where the gene cannot change."""
NetworkMutation = Callable[[EvaNet | EvaNetInception, np.random.Generator, Bounds], Change | None]
"""None where the gene cannot change."""


def _conv_kind(
    module: Module, rng: np.random.Generator, bounds: Bounds
) -> tuple[Module, str] | None:
    genes = [
        (index, conv)
        for index, branch in enumerate(module.branches)
        for conv, _ in LAYER_GENES[branch.kind]
        if conv
    ]
    if not genes or len(bounds.conv_kinds) == 1:
        return None
    index, conv = pick(rng, genes)
    changed, phrase = _redraw(module.branches[index], conv, rng, bounds.conv_kinds)
    return _with_branch(module, index, changed), f"branch {index + 1}: {phrase}"


def _time(module: Module, rng: np.random.Generator, bounds: Bounds) -> tuple[Module, str] | None:
    genes = [
        (index, conv, time)
        for index, branch in enumerate(module.branches)
        for conv, time in LAYER_GENES[branch.kind]
    ]
    if not genes or len(bounds.times) == 1:
        return None
    index, conv, time = pick(rng, genes)
    branch = module.branches[index]
    changed, phrase = _redraw(branch, time, rng, bounds.times)
    phrase = f"branch {index + 1}: {layer_name(branch, conv)} {phrase}"
    return _with_branch(module, index, changed), phrase


def _add_branch(
    module: Module, rng: np.random.Generator, bounds: Bounds
) -> tuple[Module, str] | None:
    if len(module.branches) >= bounds.max_branches:
        return None
    branch = random_branch(rng, bounds)
    branches = (*module.branches, branch)
    phrase = f"branch {len(branches)}: added ({_describe(branch)})"
    return module.model_copy(update={"branches": branches}), phrase


def _remove_branch(
    module: Module, rng: np.random.Generator, bounds: Bounds
) -> tuple[Module, str] | None:
    if len(module.branches) == 1:
        return None
    index = int(rng.integers(len(module.branches)))
    branches = (*module.branches[:index], *module.branches[index + 1 :])
    phrase = f"branch {index + 1}: removed ({_describe(module.branches[index])})"
    return module.model_copy(update={"branches": branches}), phrase


def _module_gene(
    gene: str, label: str, module: Module, rng: np.random.Generator, bounds: Bounds
) -> tuple[Module, str] | None:
    old = getattr(module, gene)
    others = _others(getattr(bounds, gene), old)
    if not others:
        return None
    new = pick(rng, others)
    return module.model_copy(update={gene: new}), f"{label} {_say(old)} -> {_say(new)}"


def _network_gene(
    gene: str,
    label: str,
    parent: EvaNet | EvaNetInception,
    rng: np.random.Generator,
    bounds: Bounds,
) -> Change | None:
    values = {"stem_conv": "conv_kinds", "stem_time": "times"}.get(gene, gene)
    old = getattr(parent, gene)
    others = _others(getattr(bounds, values), old)
    if not others:
        return None
    new = pick(rng, others)
    return {gene: new}, f"{label} {_say(old)} -> {_say(new)}"


def _pool_time(
    parent: EvaNet | EvaNetInception, rng: np.random.Generator, bounds: Bounds
) -> Change | None:
    index = int(rng.integers(len(parent.pool_times)))
    old = parent.pool_times[index]
    others = _others(bounds.times, old)
    if not others:
        return None
    new = pick(rng, others)
    times = (*parent.pool_times[:index], new, *parent.pool_times[index + 1 :])
    return {"pool_times": times}, f"pool {index + 1}: length {old} -> {new}"


MODULE_MUTATIONS: dict[str, ModuleMutation] = {
    "conv": _conv_kind,
    "time": _time,
    "add_branch": _add_branch,
    "remove_branch": _remove_branch,
    "repeats": partial(_module_gene, "repeats", "repeats"),
    "non_local": partial(_module_gene, "non_local", "non-local"),
}
"""Of a random module, one a gene kind."""

NETWORK_MUTATIONS: dict[str, NetworkMutation] = {
    "stem_conv": partial(_network_gene, "stem_conv", "stem"),
    "stem_time": partial(_network_gene, "stem_time", "stem: length"),
    "pool_times": _pool_time,
    "size_px": partial(_network_gene, "size_px", "size"),
    "frames": partial(_network_gene, "frames", "frames"),
    "frame_stride": partial(_network_gene, "frame_stride", "frame stride"),
}
"""Of genes outside the modules, one a gene kind."""


def _others(values: Sequence[T], old: T) -> list[T]:
    return [value for value in values if value != old]


def _redraw(
    branch: Branch, gene: str, rng: np.random.Generator, values: Sequence[Any]
) -> tuple[Branch, str]:
    """Another value of a gene; the branch with it, and what it was and is."""
    old = getattr(branch, gene)
    new = pick(rng, _others(values, old))
    return branch.model_copy(update={gene: new}), f"{_say(old)} -> {_say(new)}"


def _with_branch(module: Module, index: int, branch: Branch) -> Module:
    branches = (*module.branches[:index], branch, *module.branches[index + 1 :])
    return module.model_copy(update={"branches": branches})


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return CONV_NAMES[value] if value in CONV_NAMES else str(value)


def _describe(branch: Branch) -> str:
    if branch.kind == "1x1":
        return "1x1"
    return ", ".join(f"{name} {time}" for name, time in layers(branch))
