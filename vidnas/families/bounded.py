"""Spaces within bounds: they draw, or change genes, until an architecture lies inside."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import ValidationError
from typing_extensions import Self

from vidnas.core import Evaluation, UserError
from vidnas.families.architecture import Architecture
from vidnas.families.clips import ClipBounds, NormalizedClips, seen_alike
from vidnas.families.genes import Change
from vidnas.families.space import Space

_ATTEMPTS = 1000


class Bounds(ClipBounds):
    """The values that each gene of an architecture may take."""

    @abstractmethod
    def hold(self, architecture: Any) -> bool:
        """Whether an architecture of the family lies within the bounds."""


ArchitectureT = TypeVar("ArchitectureT", bound=Architecture)
BoundsT = TypeVar("BoundsT", bound=Bounds)


class BoundedSpace(Space, Generic[ArchitectureT, BoundsT]):
    """Architectures of one kind within bounds; each mutation is one change.

    A sub-class sets `architecture` and says how to draw one and how to change one; and, where
    people drew good ones, which these are, how they fit into the bounds, and what makes them
    smaller.
    """

    architecture: type[ArchitectureT]
    drawn: Sequence[ArchitectureT] = ()
    """What people drew, the ordinary ones first, for clips of any extent."""

    def __init__(self, bounds: BoundsT) -> None:
        self.bounds = bounds

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> ArchitectureT:
        """Draw an architecture; it may lie outside the bounds."""

    @abstractmethod
    def change(
        self, parent: ArchitectureT, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Draw a change of the parent; None where the one drawn does not apply.

        Where the child lies outside the bounds or is invalid, another change is drawn.
        """

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is of this kind, within the bounds, and trimmed."""
        return (
            isinstance(architecture, self.architecture)
            and self.bounds.hold(architecture)
            and self.trimmed(architecture) == architecture
        )

    def random(self, rng: np.random.Generator) -> ArchitectureT:
        """Draw a random architecture of the space.

        Raises:
            UserError: the bounds leave too little to find one.
        """
        for _ in range(_ATTEMPTS):
            architecture = self.stripped(self.draw(rng))
            if self.contains(architecture):
                return architecture
        raise UserError(f"{_ATTEMPTS} random networks lie outside {self.bounds!r}; widen these.")

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[ArchitectureT, tuple[str, ...]]:
        """Apply `strength` changes; all of them see the parent's evaluation.

        Raises:
            UserError: the bounds leave too little to find a child.
        """
        if not isinstance(parent, self.architecture):
            raise TypeError(f"a {type(parent).__name__} is not a {self.architecture.__name__}")
        child, phrases = self.stripped(parent), []
        for left in reversed(range(strength)):
            # A later mutation must not undo an earlier one in the end.
            excluded = {child.digest} if left else {child.digest, parent.digest}
            child, phrase = self._mutate_once(child, rng, evaluation, excluded)
            phrases.append(phrase)
        return child, tuple(phrases)

    def designs(self) -> tuple[ArchitectureT, ...]:
        """What people drew, fitted to the bounds, as far as it then lies within them."""
        fitted = (self._with(drawn, self.fitting(drawn)) for drawn in self.drawn)
        return tuple({one.digest: one for one in fitted if self.contains(one)}.values())

    def follow(self, design: Architecture, better: Architecture) -> Architecture:
        """The design, normalising its clips as the better one does, where both can."""
        if not (isinstance(design, NormalizedClips) and isinstance(better, NormalizedClips)):
            return design
        followed = seen_alike(design, better)
        return followed if self.contains(followed) else design

    def smaller(self, design: Architecture) -> ArchitectureT | None:
        """The design on a smaller clip and, where the family has widths, narrower."""
        if not isinstance(design, self.architecture):
            raise TypeError(f"a {type(design).__name__} is not a {self.architecture.__name__}")
        smaller = self._with(design, self.shrinking(design))
        return smaller if smaller.digest != design.digest and self.contains(smaller) else None

    def for_streams(self) -> Self:
        """The same space within the bounds of clips that can stream."""
        space = copy.copy(self)
        space.bounds = self.bounds.for_streams()
        return space

    def fitting(self, drawn: ArchitectureT) -> dict[str, Any]:
        """The genes that bring a drawn architecture as near to the bounds as they can."""
        return {}

    def shrinking(self, design: ArchitectureT) -> dict[str, Any]:
        """The genes that make a design smaller; none where it is as small as the bounds allow."""
        return {}

    def trimmed(self, architecture: ArchitectureT) -> ArchitectureT:
        """The architecture without parts of its layers that compute nothing on its clips, which
        would make different candidates of one function; by default as it is."""
        return architecture

    def stripped(self, architecture: ArchitectureT) -> ArchitectureT:
        """The architecture without what none of its layers sees, as all are that are drawn or
        mutated; by default trimmed. Designs are trimmed alone: studies know them by their digests.
        """
        return self.trimmed(architecture)

    def describe(self) -> dict[str, Any]:
        """The bounds."""
        return self.bounds.model_dump(mode="json")

    def _with(self, design: ArchitectureT, genes: dict[str, Any]) -> ArchitectureT:
        return self.trimmed(design.model_copy(update=genes))

    def _mutate_once(
        self,
        parent: ArchitectureT,
        rng: np.random.Generator,
        evaluation: Evaluation | None,
        excluded: set[str],
    ) -> tuple[ArchitectureT, str]:
        for _ in range(_ATTEMPTS):
            change = self.change(parent, rng, evaluation)
            if change is None:
                continue
            genes, phrase = change
            try:
                child = self.architecture.model_validate({**dict(parent), **genes})
            except ValidationError:
                continue
            child = self.stripped(child)
            if self.contains(child) and child.digest not in excluded:
                return child, phrase
        raise UserError(f"{_ATTEMPTS} mutations lie outside {self.bounds!r}; widen these.")
