"""The EvaNet networks that a search may visit, of either meta-architecture."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import ValidationError

from vidnas.core import Channels, Evaluation, UserError
from vidnas.families.base import Architecture, Space
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.bounds import Bounds
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.module import BranchKind
from vidnas.families.evanet.mutation import MODULE_MUTATIONS, NETWORK_MUTATIONS
from vidnas.families.evanet.places import INCEPTION_LIKE, RESNET_LIKE, Place
from vidnas.families.evanet.sampling import pick, random_genes, random_module

# Networks shorten clips four to eight times: fewer frames leave nothing for temporal lengths.
_FRAMES = (8, 12, 16, 24, 32, 48, 64)
_ATTEMPTS = 1000


class ModuleSpace(Space):
    """Networks of one meta-architecture, whose modules evolve, within bounds."""

    architecture: ClassVar[type[EvaNet] | type[EvaNetInception]]
    modules_gene: ClassVar[str]
    places: ClassVar[tuple[Place, ...]]

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds

    def random(self, rng: np.random.Generator) -> EvaNet | EvaNetInception:
        """Draw a random architecture of the space."""
        for _ in range(_ATTEMPTS):
            modules = tuple(random_module(rng, self.bounds) for _ in self.places)
            genes = {**random_genes(rng, self.bounds), self.modules_gene: modules}
            architecture = self.architecture.model_validate(genes)
            if self.contains(architecture):
                return architecture
        raise UserError(f"{_ATTEMPTS} random networks lie outside {self.bounds!r}; widen these.")

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[EvaNet | EvaNetInception, tuple[str, ...]]:
        """Apply `strength` mutations of one gene each; the evaluation is not used."""
        if not isinstance(parent, self.architecture):
            raise TypeError(f"a {type(parent).__name__} is no {self.architecture.__name__}")
        child, phrases = parent, []
        for left in reversed(range(strength)):
            # A later mutation must not undo an earlier one in the end.
            refused = {child.digest} if left else {child.digest, parent.digest}
            child, phrase = self._mutate_once(child, rng, refused)
            phrases.append(phrase)
        return child, tuple(phrases)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""
        if not isinstance(architecture, self.architecture):
            return False
        modules = getattr(architecture, self.modules_gene)
        return self.bounds.hold(architecture, modules, self.places)

    def describe(self) -> dict[str, Any]:
        """The bounds."""
        return self.bounds.model_dump(mode="json")

    def _mutate_once(
        self, parent: EvaNet | EvaNetInception, rng: np.random.Generator, refused: set[str]
    ) -> tuple[EvaNet | EvaNetInception, str]:
        for _ in range(_ATTEMPTS):
            change = self._change(parent, rng)
            if change is None:
                continue
            genes, phrase = change
            try:
                child = self.architecture.model_validate({**dict(parent), **genes})
            except ValidationError:
                continue
            if self.contains(child) and child.digest not in refused:
                return child, phrase
        raise UserError(f"{_ATTEMPTS} mutations lie outside {self.bounds!r}; widen these.")

    def _change(
        self, parent: EvaNet | EvaNetInception, rng: np.random.Generator
    ) -> tuple[dict[str, Any], str] | None:
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
    *, max_size_px: int = 128, max_frames: int = 32, in_channels: Channels = 3
) -> EvaNetSpace:
    """The default ResNet-like space for clips of up to this size and length.

    Raises:
        UserError: the clips are too small or have no frames.
    """
    kinds: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool")
    return EvaNetSpace(_bounds(max_size_px, max_frames, in_channels, kinds, repeats=(1, 2, 3, 4)))


def inception_space(
    *, max_size_px: int = 128, max_frames: int = 32, in_channels: Channels = 3
) -> EvaNetInceptionSpace:
    """The default Inception-like space for clips of up to this size and length.

    Raises:
        UserError: the clips are too small or have no frames.
    """
    kinds: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool", "avgpool")
    return EvaNetInceptionSpace(_bounds(max_size_px, max_frames, in_channels, kinds, repeats=(1,)))


def _bounds(
    max_size_px: int,
    max_frames: int,
    in_channels: Channels,
    branch_kinds: tuple[BranchKind, ...],
    repeats: tuple[int, ...],
) -> Bounds:
    if max_size_px < 16 or max_frames < 1:
        raise UserError(
            f"Clips of {max_frames} frame(s) of {max_size_px} px leave nothing to search; use at "
            "least 1 frame of 16 px."
        )
    return Bounds(
        size_px=tuple(range(min(32, max_size_px), max_size_px + 1, 16)),
        frames=tuple(count for count in _FRAMES if count <= max_frames) or (max_frames,),
        max_frames=max_frames,
        branch_kinds=branch_kinds,
        repeats=repeats,
        in_channels=in_channels,
    )
