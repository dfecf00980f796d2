"""The EvaNet networks that a search may visit, of either meta-architecture, and their mutations.

Each mutation changes one gene and says so: the four of the paper (Piergiovanni et al., ICCV 2019),
which are the type of a space-time convolution, a temporal length, a parallel layer more or less and
the repeats; and one for each gene outside the modules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from vidnas.core import Evaluation, Modality
from vidnas.core.clip import SAMPLINGS, Sampling
from vidnas.core.value import Value
from vidnas.families.bounded import BoundedSpace
from vidnas.families.clips import CLIP_GENES, change_clip, single_modality
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.bounds import EvaNetBounds, random_branch, random_genes, random_module
from vidnas.families.evanet.designs import DESIGNS, INCEPTION_DESIGNS
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.modular import ModularNet
from vidnas.families.evanet.module import (
    CONV_NAMES,
    LAYER_GENES,
    Branch,
    BranchKind,
    Module,
    layer_name,
    layers,
)
from vidnas.families.genes import Change, nearest, pick, redraw

# Networks shorten clips four to eight times: fewer frames leave nothing for temporal lengths.
_FRAMES = (8, 12, 16, 24, 32, 48, 64)


class ModuleSpace(BoundedSpace[ModularNet, EvaNetBounds]):
    """Networks of one meta-architecture, whose modules evolve, within bounds."""

    def __init__(self, architecture: type[ModularNet], bounds: EvaNetBounds) -> None:
        super().__init__(bounds)
        self.architecture = architecture
        self.drawn = DESIGNS if architecture is EvaNet else INCEPTION_DESIGNS

    def draw(self, rng: np.random.Generator) -> ModularNet:
        """Draw every gene; the network may lie outside the bounds."""
        genes = random_genes(rng, self.bounds)
        modules = []
        for place in self.architecture.places:
            frames, _ = place.extent(genes["frames"], genes["size_px"])
            modules.append(random_module(rng, self.bounds.for_frames(frames)))
        return self.architecture.model_validate({**genes, "modules": tuple(modules)})

    def change(
        self,
        parent: ModularNet,
        rng: np.random.Generator,
        evaluation: Evaluation | None,
    ) -> Change | None:
        """Change one gene; the evaluation is not used."""
        name = pick(rng, (*MODULE_MUTATIONS, *NETWORK_MUTATIONS))
        if name in NETWORK_MUTATIONS:
            return NETWORK_MUTATIONS[name](parent, rng, self.bounds.for_frames(parent.frames))
        modules = list(parent.modules)
        index = int(rng.integers(len(modules)))
        frames, _ = parent.extents[index]
        change = MODULE_MUTATIONS[name](modules[index], rng, self.bounds.for_frames(frames))
        if change is None:
            return None
        genes, phrase = change
        modules[index] = modules[index].model_copy(update=genes)
        return {"modules": tuple(modules)}, f"{parent.places[index].name}, {phrase}"

    def fitting(self, drawn: ModularNet) -> dict[str, Any]:
        """The nearest clip and repeats, and what is the same in every network."""
        bounds = self.bounds
        modules = tuple(
            module.model_copy(update={"repeats": nearest(bounds.repeats, module.repeats)})
            for module in drawn.modules
        )
        return {**bounds.nearest_clip(drawn), **bounds.fixed, "modules": modules}

    def shrinking(self, design: ModularNet) -> dict[str, Any]:
        """A smaller clip: all networks of a search have the same width."""
        return self.bounds.smaller_clip(design)

    def trimmed(self, architecture: ModularNet) -> ModularNet:
        """The network with no layer longer than its frames let it see."""
        modules = tuple(
            module.shortened(self.bounds.for_frames(frames).times[-1])
            for module, (frames, _) in zip(architecture.modules, architecture.extents, strict=True)
        )
        longest = self.bounds.for_frames(architecture.frames).times[-1]
        stem_time = min(architecture.stem_time, longest)
        return architecture.model_copy(update={"modules": modules, "stem_time": stem_time})


def space(
    *,
    max_size_px: int = 128,
    max_frames: int = 32,
    modalities: tuple[Modality, ...] = ("rgb",),
    sampling: tuple[Sampling, ...] = SAMPLINGS,
) -> ModuleSpace:
    """The default ResNet-like space for clips of up to this size and length.

    Raises:
        UserError: the clips are too small, have no frames, or are of several modalities.
    """
    kinds: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool")
    bounds = _bounds(
        max_size_px,
        max_frames,
        modalities,
        sampling=sampling,
        branch_kinds=kinds,
        repeats=(1, 2, 3, 4),
    )
    return ModuleSpace(EvaNet, bounds)


def inception_space(
    *,
    max_size_px: int = 128,
    max_frames: int = 32,
    modalities: tuple[Modality, ...] = ("rgb",),
    sampling: tuple[Sampling, ...] = SAMPLINGS,
) -> ModuleSpace:
    """The default Inception-like space for clips of up to this size and length.

    Raises:
        UserError: the clips are too small, have no frames, or are of several modalities.
    """
    kinds: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool", "avgpool")
    bounds = _bounds(
        max_size_px,
        max_frames,
        modalities,
        sampling=sampling,
        branch_kinds=kinds,
        repeats=(1,),
    )
    return ModuleSpace(EvaNetInception, bounds)


def _bounds(
    max_size_px: int, max_frames: int, modalities: tuple[Modality, ...], **others: Any
) -> EvaNetBounds:
    modality = single_modality(modalities)
    return EvaNetBounds.for_videos(max_size_px, max_frames, _FRAMES, modality=modality, **others)


Mutation = Callable[[Any, np.random.Generator, EvaNetBounds], Change | None]
"""Changes a module, or a network; returns None where the gene cannot change."""


def _conv_kind(module: Module, rng: np.random.Generator, bounds: EvaNetBounds) -> Change | None:
    genes = [
        (index, conv)
        for index, branch in enumerate(module.branches)
        for conv, _ in LAYER_GENES[branch.kind]
        if conv
    ]
    if not genes or len(bounds.conv_kinds) == 1:
        return None
    index, conv = pick(rng, genes)
    branch = module.branches[index]
    change = redraw(branch, conv, bounds.conv_kinds, rng, names=CONV_NAMES)
    return _changed_branch(module, index, change)


def _time(module: Module, rng: np.random.Generator, bounds: EvaNetBounds) -> Change | None:
    genes = [
        (index, conv, time)
        for index, branch in enumerate(module.branches)
        for conv, time in LAYER_GENES[branch.kind]
    ]
    if not genes or len(bounds.times) == 1:
        return None
    index, conv, time = pick(rng, genes)
    branch = module.branches[index]
    change = redraw(branch, time, bounds.times, rng, label=layer_name(branch, conv))
    return _changed_branch(module, index, change)


def _changed_branch(module: Module, index: int, change: Change | None) -> Change | None:
    if change is None:
        return None
    genes, phrase = change
    branches = list(module.branches)
    branches[index] = branches[index].model_copy(update=genes)
    return {"branches": tuple(branches)}, f"branch {index + 1}: {phrase}"


def _add_branch(module: Module, rng: np.random.Generator, bounds: EvaNetBounds) -> Change | None:
    if len(module.branches) >= bounds.max_branches:
        return None
    branches = (*module.branches, random_branch(rng, bounds))
    return {"branches": branches}, f"branch {len(branches)}: added ({_describe(branches[-1])})"


def _remove_branch(module: Module, rng: np.random.Generator, bounds: EvaNetBounds) -> Change | None:
    if len(module.branches) == 1:
        return None
    index = int(rng.integers(len(module.branches)))
    branches = (*module.branches[:index], *module.branches[index + 1 :])
    phrase = f"branch {index + 1}: removed ({_describe(module.branches[index])})"
    return {"branches": branches}, phrase


def _gene(
    owner: Value,
    rng: np.random.Generator,
    bounds: EvaNetBounds,
    *,
    gene: str,
    values: str,
    label: str,
) -> Change | None:
    """Redraw a gene of a module or of a network, whose values the bounds have under a name."""
    return redraw(owner, gene, getattr(bounds, values), rng, label=label, names=CONV_NAMES)


def _pool_time(parent: ModularNet, rng: np.random.Generator, bounds: EvaNetBounds) -> Change | None:
    times = list(parent.pool_times)
    index = int(rng.integers(len(times)))
    pool = Branch(kind="maxpool", time=times[index])
    change = redraw(pool, "time", bounds.times, rng, label=f"pool {index + 1}: length")
    if change is None:
        return None
    genes, phrase = change
    times[index] = genes["time"]
    return {"pool_times": tuple(times)}, phrase


MODULE_MUTATIONS: dict[str, Mutation] = {
    "conv": _conv_kind,
    "time": _time,
    "add_branch": _add_branch,
    "remove_branch": _remove_branch,
    "repeats": partial(_gene, gene="repeats", values="repeats", label="repeats"),
    "non_local": partial(_gene, gene="non_local", values="non_local", label="non-local"),
}
"""One mutation of a random module per gene kind."""

NETWORK_MUTATIONS: dict[str, Mutation] = {
    "stem_conv": partial(_gene, gene="stem_conv", values="conv_kinds", label="stem"),
    "stem_time": partial(_gene, gene="stem_time", values="times", label="stem: length"),
    "pool_times": _pool_time,
    **{gene: partial(change_clip, gene) for gene in (*CLIP_GENES, "normalization")},
}
"""One mutation per gene kind outside the modules."""


def _describe(branch: Branch) -> str:
    if branch.kind == "1x1":
        return "1x1"
    return ", ".join(f"{name} {time}" for name, time in layers(branch))
