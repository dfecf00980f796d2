"""What a search announces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vidnas.evolution.tally import Tally, per_minute
from vidnas.evolution.trial import Trial

EventKind = Literal["started", "ok", "climbed", "rejected", "failed", "stopping", "ended"]


@dataclass(frozen=True)
class Event:
    """What happened in a search, and how far it is; all of it is already on disk."""

    kind: EventKind
    """A candidate that is ok has "climbed" on all rungs but the lowest. "stopping" is announced
    once, when Ctrl-C was pressed while candidates are in flight."""
    trial: Trial | None
    """The candidate as it was just recorded; None where the event is not about one."""
    counts: Mapping[str, int]
    """Candidates by status, over all resumptions; a status that did not occur is missing."""
    rejections: Mapping[str, int]
    """Rejected candidates by the limit that they broke; "other" where an evaluator names none."""
    nearest: Mapping[str, Trial]
    """Of those, the one that came nearest to the limit, by limit."""
    best: Trial | None
    """The fittest, whatever its rung."""
    elapsed_s: float
    """Search time, over all resumptions."""
    remaining_s: float | None
    """Estimate of what is left; None as long as nothing was evaluated."""
    exhausted: bool = False
    """Whether every architecture that can be found was tried."""

    @property
    def evaluations(self) -> int:
        """How many candidates were trained, successfully or not."""
        return self.counts.get("ok", 0) + self.counts.get("failed", 0)

    @property
    def candidates_per_minute(self) -> float:
        """Evaluations by search time."""
        return per_minute(self.evaluations, self.elapsed_s)

    @classmethod
    def of(
        cls,
        kind: EventKind,
        trial: Trial | None,
        tally: Tally,
        elapsed_s: float,
        exhausted: bool = False,
    ) -> Event:
        """Return an event of a search that stands as its tally says."""
        return cls(
            kind,
            trial,
            dict(+tally.counts),
            dict(tally.rejections),
            dict(tally.nearest),
            tally.best,
            elapsed_s,
            tally.remaining_s(elapsed_s),
            exhausted,
        )


def kind_of(trial: Trial) -> EventKind:
    """Return the kind of the event that the latest rung of a trial was."""
    climbed = trial.rung > 0 and trial.evaluation.status == "ok"
    return "climbed" if climbed else trial.evaluation.status
