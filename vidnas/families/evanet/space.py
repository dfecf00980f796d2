"""The EvaNet networks that a search may visit, of either meta-architecture."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from vidnas.core import Evaluation, Modality, channels_of
from vidnas.families.architecture import Architecture
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.bounds import Bounds
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.module import BranchKind
from vidnas.families.evanet.mutation import MODULE_MUTATIONS, NETWORK_MUTATIONS
from vidnas.families.evanet.places import INCEPTION_LIKE, RESNET_LIKE, Place
from vidnas.families.evanet.sampling import random_genes, random_module
from vidnas.families.mutating import Change, MutatingSpace, clip_sizes_px, pick
from vidnas.families.space import single_modality

# Networks shorten clips four to eight times: fewer frames leave nothing for temporal lengths.
_FRAMES = (8, 12, 16, 24, 32, 48, 64)


class ModuleSpace(MutatingSpace[EvaNet | EvaNetInception, Bounds]):
    """Networks of one meta-architecture, whose modules evolve, within bounds."""

    modules_gene: ClassVar[str]
    places: ClassVar[tuple[Place, ...]]

    def draw(self, rng: np.random.Generator) -> EvaNet | EvaNetInception:
        """Draw every gene; the network may lie outside the bounds."""
        modules = tuple(random_module(rng, self.bounds) for _ in self.places)
        genes = {**random_genes(rng, self.bounds), self.modules_gene: modules}
        return self.architecture.model_validate(genes)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""
        if not isinstance(architecture, self.architecture):
            return False
        modules = getattr(architecture, self.modules_gene)
        return self.bounds.hold(architecture, modules, self.places)

    def change(
        self,
        parent: EvaNet | EvaNetInception,
        rng: np.random.Generator,
        evaluation: Evaluation | None,
    ) -> Change | None:
        """Change one gene; the evaluation is not used."""
        name = pick(rng, (*MODULE_MUTATIONS, *NETWORK_MUTATIONS))
        if name in NETWORK_MUTATIONS:
            return NETWORK_MUTATIONS[name](parent, rng, self.bounds)
        modules = list(getattr(parent, self.modules_gene))
        index = int(rng.integers(len(modules)))
        change = MODULE_MUTATIONS[name](modules[index], rng, self.bounds)
        if change is None:
            return None
        modules[index], phrase = change
        return {self.modules_gene: tuple(modules)}, f"{self.places[index].name}, {phrase}"


class EvaNetSpace(ModuleSpace):
    """ResNet-like networks: four stages of repeated modules."""

    architecture = EvaNet
    modules_gene = "stages"
    places = RESNET_LIKE


class EvaNetInceptionSpace(ModuleSpace):
    """Inception-like networks: nine modules, which may also average."""

    architecture = EvaNetInception
    modules_gene = "modules"
    places = INCEPTION_LIKE


def space(
    *, max_size_px: int = 128, max_frames: int = 32, modalities: tuple[Modality, ...] = ("rgb",)
) -> EvaNetSpace:
    """The default ResNet-like space for clips of up to this size and length.

    Raises:
        UserError: the clips are too small, have no frames, or are of several modalities.
    """
    kinds: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool")
    return EvaNetSpace(_bounds(max_size_px, max_frames, modalities, kinds, repeats=(1, 2, 3, 4)))


def inception_space(
    *, max_size_px: int = 128, max_frames: int = 32, modalities: tuple[Modality, ...] = ("rgb",)
) -> EvaNetInceptionSpace:
    """The default Inception-like space for clips of up to this size and length.

    Raises:
        UserError: the clips are too small, have no frames, or are of several modalities.
    """
    kinds: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool", "avgpool")
    return EvaNetInceptionSpace(_bounds(max_size_px, max_frames, modalities, kinds, repeats=(1,)))


def _bounds(
    max_size_px: int,
    max_frames: int,
    modalities: tuple[Modality, ...],
    branch_kinds: tuple[BranchKind, ...],
    repeats: tuple[int, ...],
) -> Bounds:
    return Bounds(
        size_px=clip_sizes_px(max_size_px, max_frames),
        frames=tuple(count for count in _FRAMES if count <= max_frames) or (max_frames,),
        max_frames=max_frames,
        branch_kinds=branch_kinds,
        repeats=repeats,
        in_channels=channels_of(single_modality(modalities)),
    )
