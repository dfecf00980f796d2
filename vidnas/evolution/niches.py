"""Niches: bins along the limited cost, so that what learns soonest cannot take all places."""

from __future__ import annotations

from dataclasses import dataclass, field

from vidnas.evolution.limits import Limits
from vidnas.evolution.trial import Trial

NICHES = 5
"""How many there are: all that cost a sixteenth of the limit or less are rivals."""


@dataclass(frozen=True)
class Niches:
    """Bins of the cost as a share of the limit, each half of the one above.

    Niche 0 is (1/2, 1] of the limit, 1 is (1/4, 1/2], and the last is all below. Where nothing is
    limited or the cost is not known, all candidates are in niche 0.
    """

    limits: Limits = field(default_factory=Limits)

    def niche_of(self, trial: Trial) -> int:
        """Return the niche of a trial: where it was born, because a latency that is measured again
        differs a little."""
        cost = trial.evaluations[0].cost
        share = self.limits.share(cost) if cost else None
        if share is None:
            return 0
        return sum(share <= 0.5**halvings for halvings in range(1, NICHES))

    def bounds(self, niche: int) -> tuple[float, float]:
        """Return the ends of a niche as shares of the limit: above the first, up to the second."""
        return (0.0 if niche == NICHES - 1 else 0.5 ** (niche + 1)), 0.5**niche
