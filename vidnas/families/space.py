"""The base of every space: which architectures a search may visit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from typing_extensions import Self

from vidnas.core import Evaluation
from vidnas.families.architecture import Architecture


class Space(ABC):
    """The architectures that a search may visit. Randomness comes from the generator handed in."""

    @abstractmethod
    def random(self, rng: np.random.Generator) -> Architecture:
        """Draw a random architecture of the space."""

    @abstractmethod
    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[Architecture, tuple[str, ...]]:
        """Apply `strength` mutations to the parent.

        Args:
            parent: an architecture of this space.
            rng: the only source of randomness.
            evaluation: the parent's, for mutations guided by what its training learned.
            strength: how many mutations, besides those that every child gets.

        Returns:
            A child of this space that differs from its parent in its canonical form, and one short
            phrase per mutation ("block 2: filters 32 -> 64") for people to read.
        """

    def designs(self) -> tuple[Architecture, ...]:
        """Return good architectures that people drew, where a search begins: valid, of this space,
        distinct in their digest; the ordinary ones first."""
        return ()

    def follow(self, design: Architecture, better: Architecture) -> Architecture:
        """Return the design with what the search has learned of the clips: how a better one of
        those that were drawn in both ways sees them. By default the design as it was drawn."""
        return design

    def smaller(self, design: Architecture) -> Architecture | None:
        """Return a design of this space like this one with fewer computations; None where it
        cannot be smaller. A search asks for it where a design breaks a limit."""
        return None

    def for_streams(self) -> Self:
        """Return the space for a search whose networks are to take each frame of a stream once;
        the same where nothing in it is about that."""
        return self

    @abstractmethod
    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The bounds as JSON-ready values: a study compares them when it is resumed."""
