"""Random search: what any other strategy has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vidnas.evolution.strategies.base import Strategy
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Space


@dataclass
class RandomSearch(Strategy):
    """Draws every candidate at random."""

    name: ClassVar[str] = "random"

    def observe(self, trial: Trial) -> None:
        """Learn nothing."""

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """Return a random architecture of the space."""
        return Proposal(space.random(rng))
