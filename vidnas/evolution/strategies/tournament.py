"""Tournament evolution: towards the greatest fitness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from vidnas.evolution.strategies.evolution import Evolution


@dataclass
class TournamentEvolution(Evolution):
    """Evolution towards the greatest fitness.

    The worst member leaves (as in the searches for EvaNet, AssembleNet and Tiny Video Networks), of
    equals the oldest; or the oldest, however fit (regularized evolution, Real et al. 2019, arXiv
    1802.01548).

    Raises:
        UserError: a setting is out of range.
    """

    name: ClassVar[str] = "evolution"

    discard: Literal["worst", "oldest"] = "worst"
    """Which member leaves a full population."""

    def merits(self) -> Sequence[float]:
        """Return the fitness of each member."""
        return [trial.fitness for trial in self.members]

    def loser(self) -> int:
        """Return the place of the oldest member or of the worst, of equals the oldest."""
        return 0 if self.discard == "oldest" else int(np.argmin(self.merits()))
