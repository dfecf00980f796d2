"""Evolution by tournament selection, one child at a time: what its kinds have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, cast

import numpy as np

from vidnas.core import UserError
from vidnas.evolution.strategies.base import Strategy
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import EvolutionDefaults, Space

_DEFAULTS = EvolutionDefaults()
_FEWEST_NICHES = 2
_DRAWS = 3  # of a parent, until its child is new
_FURTHER = 10  # mutations that a child may get because it was tried before


@dataclass
class Evolution(Strategy):
    """Mutates the winners of tournaments among the members of a population.

    The population starts with the space's designs and random architectures. Then, each time, so
    many draws are made among the niches that have members, one fewer than there are but at least
    two, and `tournament` members are drawn of each niche that came up;
    the best of them is mutated. When the population outgrows its size, a member of the largest
    niche leaves. A sub-class says which members are better and which one leaves.

    Raises:
        UserError: a setting is out of range.
    """

    population: int = _DEFAULTS.population
    """How many architectures may become parents."""
    tournament: int | None = None
    """How many of them compete to be the next parent; if unset, half of them. In a niche of fewer,
    all compete."""
    _: KW_ONLY
    mutations: int = _DEFAULTS.mutations
    """The `most` of `mutations_per_child`."""
    mutation_decay: float = _DEFAULTS.mutation_decay
    """The `decay` of `mutations_per_child`."""
    guided: bool = True
    """Whether mutations see the parent's evaluation, such as what its connections learned."""

    def __post_init__(self) -> None:
        if self.tournament is None:
            self.tournament = max(self.population // 2, 1)
        if not 1 <= self.tournament <= self.population:
            raise UserError(
                f"A tournament of {self.tournament} cannot be drawn from a population of "
                f"{self.population}; choose one between 1 and the population's size."
            )
        if self.mutations < 1 or self.mutation_decay <= 0:
            raise UserError(
                f"Children cannot get {self.mutations} mutations with a decay of "
                f"{self.mutation_decay}; give at least one mutation and a positive decay."
            )
        self.members: list[Trial] = []
        """From the oldest to the youngest."""
        self.children = 0
        self.tried: set[str] = set()
        """Digests of all trials."""

    @abstractmethod
    def merits(self) -> Sequence[Any]:
        """Return what members compete with, the greater the better, in the order of the members."""

    @abstractmethod
    def loser(self, places: Sequence[int]) -> int:
        """Return which of these places is that of the member that leaves."""

    def observe(self, trial: Trial) -> None:
        """Take a successful trial into the population, in its old place if it is a member that
        climbed; count children that were trained."""
        self.tried.add(trial.architecture.digest)
        place = next(
            (i for i, one in enumerate(self.members) if one.number == trial.number),
            len(self.members),
        )
        ok = trial.evaluation.status == "ok"
        self.members[place : place + 1] = [trial] if ok else []
        if len(self.members) > self.population:
            niches = self.places_by_niche()
            largest = max(map(len, niches))
            crowded = sorted(i for places in niches if len(places) == largest for i in places)
            del self.members[self.loser(crowded)]
        born = not trial.earlier
        if born and trial.proposal.parent is not None and trial.evaluation.status != "rejected":
            self.children += 1

    def places_by_niche(self) -> list[list[int]]:
        """Return the places of the members of each niche that has some."""
        niches = [self.niches.niche_of(one) for one in self.members]
        return [[i for i, niche in enumerate(niches) if niche == one] for one in sorted({*niches})]

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """Return a random architecture until the population is full, then a tournament's child.

        A child that was tried before is drawn anew, and then mutated on: late in a long search most
        of what is one mutation away from the population was tried.
        """
        if len(self.members) < self.population:
            return Proposal(space.random(rng))
        strength = mutations_per_child(self.children, self.mutations, self.mutation_decay)
        merits, niches = self.merits(), self.places_by_niche()
        for _ in range(_DRAWS):
            parent = self.members[self._winner(merits, niches, rng)]
            evaluation = parent.evaluation if self.guided else None
            child, mutations = space.mutate(parent.architecture, rng, evaluation, strength)
            if child.digest not in self.tried:
                break
        for _ in range(_FURTHER):
            if child.digest not in self.tried:
                break
            child, more = space.mutate(child, rng, None, 1)
            mutations += more
        return Proposal(child, parent.number, mutations)

    def _winner(
        self, merits: Sequence[Any], niches: Sequence[list[int]], rng: np.random.Generator
    ) -> int:
        """Return the place of the next parent.

        A niche of few members has no choice among them, and those of the cheapest may all be at
        chance: of the niches that are drawn, it is the fittest that breeds.
        """
        winners: list[int] = []
        draws = max(len(niches) - 1, _FEWEST_NICHES)
        for niche in {*rng.integers(len(niches), size=draws).tolist()}:
            places = niches[niche]
            tournament = min(cast(int, self.tournament), len(places))
            winners.append(places[select([merits[i] for i in places], tournament, rng)])
        return max(winners, key=lambda winner: merits[winner])


def select(merits: Sequence[Any], tournament: int, rng: np.random.Generator) -> int:
    """Return the place of the best of `tournament` members drawn without repetition."""
    drawn: list[int] = rng.choice(len(merits), size=tournament, replace=False).tolist()
    return max(drawn, key=lambda i: merits[i])


def mutations_per_child(children: int, most: int, decay: float) -> int:
    """Return the number of mutations, which falls to one: `max(ceil(d - i / r), 1)`, EvaNet's
    schedule.

    Args:
        children: i, the children trained so far.
        most: d, the number of mutations of the first child.
        decay: r, the number of children after which the mutation count drops by one.
    """
    return max(math.ceil(most - children / decay), 1)
