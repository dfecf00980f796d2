"""What evolution learns of a candidate: the one seam between the search and what it searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from vidnas.core import Evaluation
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture


@runtime_checkable
class Evaluator(Protocol):
    """Evaluates candidates in a worker, where it arrives by pickle.

    An exception that it raises is recorded as a failure of the candidate, unless it is a
    `UserError` or says that the machine failed, such as a full disk: these end the search.
    """

    def describe(self) -> dict[str, Any]:
        """Return what an evaluation depends on besides the architecture, as JSON-ready values: a
        study compares it when it is resumed."""

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Evaluate one candidate.

        Args:
            architecture: the candidate.
            seed: the only source of randomness.
            deadline_s: seconds from now after which to give up.
        """


@runtime_checkable
class AdaptiveEvaluator(Evaluator, Protocol):
    """An evaluator that takes along to the worker what the study knows by then."""

    def for_candidate(self, proposal: Proposal, trials: Sequence[Trial]) -> Evaluator:
        """Return the evaluator of one candidate; called right before its evaluation starts.

        Args:
            proposal: the candidate and where it came from.
            trials: those recorded so far, by number; reading only some of them keeps a search from
                slowing down as it grows.
        """


@runtime_checkable
class ClimbingEvaluator(Evaluator, Protocol):
    """An evaluator whose candidates climb a ladder: each rung continues where the one below ended.

    Any other evaluator has one rung. One that is adaptive as well adapts first.
    """

    @property
    def rungs(self) -> int:
        """How many rungs there are, one or more."""

    def at_rung(self, rung: int) -> Evaluator:
        """Return the evaluator that brings a candidate to this rung; 0 is the lowest."""

    def seconds_at(self, rung: int) -> float | None:
        """Return the most that climbing this rung takes; None where nobody knows."""


Evaluate = Callable[[Architecture, int, float | None], Evaluation]
"""An evaluator as a plain function of the architecture, the seed and the deadline in seconds."""


@dataclass(frozen=True)
class FunctionEvaluator:
    """A plain function as an evaluator."""

    function: Evaluate
    depends_on: Mapping[str, Any] = field(default_factory=dict)
    """What its results depend on besides the architecture, as JSON-ready values."""

    def describe(self) -> dict[str, Any]:
        """Return what the results depend on."""
        return dict(self.depends_on)

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Call the function."""
        return self.function(architecture, seed, deadline_s)
