"""Tournament evolution: towards the greatest fitness, whatever the rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from vidnas.evolution.strategies.evolution import Evolution


@dataclass
class TournamentEvolution(Evolution):
    """Evolution towards the greatest fitness, whatever the rung; of equals, the one that was
    trained less.

    The worst member leaves (as in the searches for EvaNet, AssembleNet and Tiny Video Networks), of
    equals the oldest; or the oldest, however fit (regularized evolution, Real et al. 2019, arXiv
    1802.01548).

    Raises:
        UserError: a setting is out of range.
    """

    name: ClassVar[str] = "evolution"

    discard: Literal["worst", "oldest"] = "worst"
    """Which member leaves a full population."""

    def merits(self) -> Sequence[tuple[float, int]]:
        """Return the rank of each member."""
        return [trial.rank for trial in self.members]

    def loser(self, places: Sequence[int]) -> int:
        """Return the place of the oldest of these members or of the worst, of equals the oldest."""
        if self.discard == "oldest":
            return places[0]
        return min(places, key=lambda i: self.members[i].rank)
