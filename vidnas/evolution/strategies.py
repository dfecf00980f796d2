"""What to try next: strategies are short compositions of select, vary and survive.

A strategy's state follows from the trials it has observed, so that replaying a study's trials
brings it back to where it stood.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from vidnas.core import UserError
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import EvolutionDefaults, Space

Discard = Literal["worst", "oldest"]

_DEFAULTS = EvolutionDefaults()
_DRAWS = 3  # of a parent, until its child is new
_FURTHER = 10  # mutations that a child may get because it was tried before


class Strategy(Protocol):
    """Learns from trials in the order in which they were recorded, and proposes the next one."""

    def describe(self) -> dict[str, Any]:
        """Name and settings as JSON-ready values: a study compares them when it is resumed."""

    def observe(self, trial: Trial) -> None:
        """Learn from a recorded trial, whatever became of it."""

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """Propose a candidate; it may turn out to have been tried before."""


class RandomSearch:
    """Draws every candidate at random: what any other strategy has to beat."""

    def describe(self) -> dict[str, Any]:
        """The name; there are no settings."""
        return {"name": "random"}

    def observe(self, trial: Trial) -> None:
        """Random search learns nothing."""

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """A random architecture of the space."""
        return Proposal(space.random(rng))


class Evolution(ABC):
    """Evolution by tournament selection, one child at a time.

    The population starts with random architectures. Then, each time, `tournament` members are drawn
    and the best of them is mutated; when the population outgrows its size, one member goes. A
    sub-class says which members are better and which one goes.

    Args:
        population: number of architectures that may become parents.
        tournament: how many of them compete to be the next parent; half of them if None.
        mutations: d of the schedule in `mutations_per_child`.
        mutation_decay: r of that schedule.
        guided: whether mutations see the parent's evaluation, such as what its connections learned.

    The defaults are those of `EvolutionDefaults`.

    Raises:
        UserError: a setting is out of range.
    """

    def __init__(
        self,
        population: int = _DEFAULTS.population,
        tournament: int | None = None,
        *,
        mutations: int = _DEFAULTS.mutations,
        mutation_decay: float = _DEFAULTS.mutation_decay,
        guided: bool = True,
    ) -> None:
        tournament = max(population // 2, 1) if tournament is None else tournament
        if not 1 <= tournament <= population:
            raise UserError(
                f"A tournament of {tournament} cannot be drawn from a population of {population}; "
                "choose one between 1 and the population's size."
            )
        if mutations < 1 or mutation_decay <= 0:
            raise UserError(
                f"Children cannot get {mutations} mutations with a decay of {mutation_decay}; "
                "give at least one mutation and a decay above zero."
            )
        self.size = population
        self.tournament = tournament
        self.mutations = mutations
        self.mutation_decay = mutation_decay
        self.guided = guided
        self.population: list[Trial] = []
        """From the oldest member to the youngest."""
        self.children = 0
        self.tried: set[str] = set()
        """Digests of all trials."""

    @abstractmethod
    def merits(self) -> Sequence[Any]:
        """What members compete with, the greater the better, in the order of the population."""

    @abstractmethod
    def loser(self) -> int:
        """Place of the member that leaves a population that is one too large."""

    def describe(self) -> dict[str, Any]:
        """The settings; a sub-class adds its name and its own."""
        return {
            "population": self.size,
            "tournament": self.tournament,
            "mutations": self.mutations,
            "mutation_decay": self.mutation_decay,
            "guided": self.guided,
        }

    def observe(self, trial: Trial) -> None:
        """Take a successful trial into the population; count children that were trained."""
        self.tried.add(trial.architecture.digest)
        if trial.evaluation.status == "ok":
            self.population.append(trial)
            if len(self.population) > self.size:
                del self.population[self.loser()]
        if trial.proposal.parent is not None and trial.evaluation.status != "rejected":
            self.children += 1

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """A random architecture until the population is full, then a mutated tournament winner.

        A child that was tried before is drawn anew, and then mutated on: late in a long search most
        of what is one mutation away from the population was tried.
        """
        if len(self.population) < self.size:
            return Proposal(space.random(rng))
        strength = mutations_per_child(self.children, self.mutations, self.mutation_decay)
        for _ in range(_DRAWS):
            parent = self.population[select(self.merits(), self.tournament, rng)]
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


class TournamentEvolution(Evolution):
    """Evolution towards the greatest fitness.

    The worst member leaves (as in the searches for EvaNet, AssembleNet and Tiny Video Networks), of
    equals the oldest; or the oldest, however fit (regularized evolution, Real et al. 2019, arXiv
    1802.01548).

    Args:
        population: see `Evolution`.
        tournament: see `Evolution`.
        discard: which member leaves a full population.
        settings: those of `Evolution`.

    Raises:
        UserError: a setting is out of range.
    """

    def __init__(
        self,
        population: int = _DEFAULTS.population,
        tournament: int | None = None,
        *,
        discard: Discard = "worst",
        **settings: Any,
    ) -> None:
        super().__init__(population, tournament, **settings)
        self.discard: Discard = discard

    def describe(self) -> dict[str, Any]:
        """Name and settings."""
        return {"name": "evolution", **super().describe(), "discard": self.discard}

    def merits(self) -> Sequence[float]:
        """The fitness of each member."""
        return [trial.fitness for trial in self.population]

    def loser(self) -> int:
        """The oldest member or the worst, of equals the oldest."""
        return 0 if self.discard == "oldest" else int(np.argmin(self.merits()))


def select(merits: Sequence[Any], tournament: int, rng: np.random.Generator) -> int:
    """Place of the best of `tournament` members drawn without repetition."""
    drawn: list[int] = rng.choice(len(merits), size=tournament, replace=False).tolist()
    return max(drawn, key=lambda i: merits[i])


def mutations_per_child(children: int, most: int, decay: float) -> int:
    """Many mutations early and one late: `max(ceil(d - i / r), 1)`, EvaNet's schedule.

    Args:
        children: i, the children trained so far.
        most: d, the number of mutations of the first child.
        decay: r, the children after which there is one mutation less.
    """
    return max(math.ceil(most - children / decay), 1)
