"""Spaces that draw, or change genes, until an architecture lies within their bounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import ValidationError

from vidnas.core import Evaluation, UserError
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture
from vidnas.families.space import Space

ArchitectureT = TypeVar("ArchitectureT", bound=Architecture)
BoundsT = TypeVar("BoundsT", bound=Value)
T = TypeVar("T")

Change = tuple[dict[str, Any], str]
"""Genes of the architecture to replace, and a phrase for people."""

_ATTEMPTS = 1000


def clip_sizes_px(max_size_px: int, max_frames: int) -> tuple[int, ...]:
    """Sizes of clips for a search among videos of this size and length, in ascending order.

    Raises:
        UserError: the videos are too small or have no frames.
    """
    if max_size_px < 16 or max_frames < 1:
        raise UserError(
            f"Clips of {max_frames} frame(s) of {max_size_px} px leave nothing to search; use at "
            "least 1 frame of 16 px."
        )
    return tuple(range(min(32, max_size_px), max_size_px + 1, 16))


def pick(rng: np.random.Generator, values: Sequence[T]) -> T:
    """Draw one of the values; all are equally likely."""
    return values[int(rng.integers(len(values)))]


class MutatingSpace(Space, Generic[ArchitectureT, BoundsT]):
    """Architectures of one kind within bounds; each mutation is one change.

    A sub-class sets `architecture` and says how to draw, to change and what it contains.
    """

    architecture: type[ArchitectureT]

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

        The child may lie outside the bounds, or be invalid: another change is drawn then.
        """

    def random(self, rng: np.random.Generator) -> ArchitectureT:
        """Draw a random architecture of the space.

        Raises:
            UserError: the bounds leave too little to find one.
        """
        for _ in range(_ATTEMPTS):
            architecture = self.draw(rng)
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
            raise TypeError(f"a {type(parent).__name__} is no {self.architecture.__name__}")
        child, phrases = parent, []
        for left in reversed(range(strength)):
            # A later mutation must not undo an earlier one in the end.
            refused = {child.digest} if left else {child.digest, parent.digest}
            child, phrase = self._mutate_once(child, rng, evaluation, refused)
            phrases.append(phrase)
        return child, tuple(phrases)

    def describe(self) -> dict[str, Any]:
        """The bounds."""
        return self.bounds.model_dump(mode="json")

    def _mutate_once(
        self,
        parent: ArchitectureT,
        rng: np.random.Generator,
        evaluation: Evaluation | None,
        refused: set[str],
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
            if self.contains(child) and child.digest not in refused:
                return child, phrase
        raise UserError(f"{_ATTEMPTS} mutations lie outside {self.bounds!r}; widen these.")
