"""Which candidates are born: the first designs of the space, then the others in turns with the
children of those, then what the strategy proposes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np

from vidnas.evolution.strategies import Strategy
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture, Space

_DESIGNS_AHEAD = 8
"""So many designs enter before the first child: those that were drawn in both ways to see clips,
and two more. In ten minutes of a slow machine a search trains eight to seventeen candidates; with
all designs first, twelve of 21 such searches had no child."""
_STRATEGY_TRIES = 100
_RANDOM_TRIES = 1000  # that many random draws without a new one: the space is exhausted


class Proposer:
    """Proposes architectures that were not tried before.

    Args:
        space: where the strategy looks.
        strategy: a fresh one.
        designs: what a search begins with, smaller where it breaks a limit.
        seed: of the study.
    """

    def __init__(
        self, space: Space, strategy: Strategy, designs: Sequence[Architecture], seed: int
    ) -> None:
        self.known: list[Trial] = []
        """The candidates by number, as far as the strategy was taught."""
        self._space = space
        self._strategy = strategy
        self._designs = designs
        self._smaller: dict[str, Architecture] = {}
        """Designs that are tried where larger ones broke a limit, by digest."""
        self._seed = seed
        self._tried: set[str] = set()
        self._designs_tried: set[str] = set()
        self._seen_otherwise: list[Architecture] = []
        """Designs that were tried and are none of the given: smaller, or as a better one sees its
        clips."""
        self._designs_rejected = 0

    def note(self, proposal: Proposal) -> None:
        """Take it that a candidate is tried."""
        self._tried.add(proposal.architecture.digest)
        if proposal.design:
            self._designs_tried.add(proposal.architecture.digest)
            if proposal.architecture not in self._designs:
                self._seen_otherwise.append(proposal.architecture)

    def teach(self, trial: Trial) -> None:
        """Show the strategy the next event. A design that broke a limit comes again, smaller."""
        self.known[trial.number : trial.number + 1] = [trial]
        self._strategy.observe(trial)
        if trial.proposal.design and trial.evaluation.status == "rejected":
            self._designs_rejected += 1
            smaller = self._space.smaller(trial.architecture)
            if smaller is not None and smaller not in self._designs:
                self._smaller[smaller.digest] = smaller

    def propose(self, before: int) -> Proposal | None:
        """Return a candidate that was not tried before, or None if none can be found.

        Args:
            before: how many actions the search started. The generator depends on it and on the
                seed, so that a resumed study does not restart its sequence of random numbers.
        """
        design = next(self._new_designs(), None)
        if design is not None and not self._is_turn_of_child:
            return design
        rng = np.random.default_rng((self._seed, before))
        for attempt in range(_STRATEGY_TRIES + _RANDOM_TRIES):
            if attempt < _STRATEGY_TRIES:
                proposal = self._strategy.propose(self._space, rng)
            else:
                proposal = Proposal(self._space.random(rng))
            if design is not None and proposal.parent is None:
                return design  # better than what is drawn at random
            if self._is_new(proposal.architecture):
                return proposal
        return None

    def _new_designs(self) -> Iterator[Proposal]:
        """Yield the designs that were not tried: first those that come again, smaller."""
        left = (design for design in self._designs if not self._was_tried(design))
        for design in chain(self._smaller.values(), map(self._as_learned, left)):
            if self._is_new(design):
                yield Proposal(design, design=True)

    def _was_tried(self, design: Architecture) -> bool:
        """Return whether a design was tried, as it was drawn or as a better one sees its clips."""
        return not self._is_new(design) or any(
            self._space.follow(design, one) == one for one in self._seen_otherwise
        )

    @property
    def _is_turn_of_child(self) -> bool:
        designs = len(self._designs_tried)
        others = len(self._tried) - designs
        return others < designs - self._designs_rejected - _DESIGNS_AHEAD

    def _as_learned(self, design: Architecture) -> Architecture:
        """Return the design as the better of each pair sees its clips, where the pairs agree.

        A pair is a design that was drawn in both ways. What the first rung says of one pair is
        noise on some clips: one search whose later designs all followed the fittest candidate ended
        at 85.8 % where they had reached 96.6 % as they were drawn.
        """
        ways = {
            self._space.follow(design, better.architecture) for better in self._better_of_pairs()
        }
        if len(ways) != 1:
            return design
        (followed,) = ways
        return design if followed in self._designs else followed

    def _better_of_pairs(self) -> Iterator[Trial]:
        """Yield the fitter of each pair, on the highest rung that both have reached."""
        trained = [
            one for one in self.known if one.proposal.design and one.evaluation.status == "ok"
        ]
        for one, other in combinations(trained, 2):
            if self._space.follow(one.architecture, other.architecture) == other.architecture:
                rung = min(one.rung, other.rung)
                yield max(one, other, key=lambda trial: trial.evaluations[rung].fitness or 0.0)

    def _is_new(self, architecture: Architecture) -> bool:
        return architecture.digest not in self._tried
