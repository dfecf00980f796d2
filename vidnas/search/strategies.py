"""What to try next: strategies are short compositions of select, vary and survive.

A strategy's state follows from the trials it has observed, so that replaying a study's trials
brings it back to where it stood.
"""

from __future__ import annotations

import math
from typing import Any, Literal, Protocol

import numpy as np

from vidnas.core import UserError
from vidnas.families import EvolutionDefaults, Space
from vidnas.search.trial import Proposal, Trial

Discard = Literal["worst", "oldest"]

_DEFAULTS = EvolutionDefaults()


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


class TournamentEvolution:
    """Evolution by tournament selection, one child at a time.

    The population starts with random architectures. Then, each time, `tournament` members are drawn
    and the fittest of them is mutated; when the population outgrows its size, its worst member goes
    (as in the searches for EvaNet, AssembleNet and Tiny Video Networks) or its oldest (regularized
    evolution, Real et al. 2019, arXiv 1802.01548).

    Args:
        population: number of architectures that may become parents.
        tournament: how many of them compete to be the next parent.
        discard: which member leaves a full population.
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
        tournament: int = _DEFAULTS.tournament,
        *,
        discard: Discard = "worst",
        mutations: int = _DEFAULTS.mutations,
        mutation_decay: float = _DEFAULTS.mutation_decay,
        guided: bool = True,
    ) -> None:
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
        self.discard: Discard = discard
        self.mutations = mutations
        self.mutation_decay = mutation_decay
        self.guided = guided
        self.population: list[Trial] = []
        """From the oldest member to the youngest."""
        self.children = 0

    def describe(self) -> dict[str, Any]:
        """Name and settings."""
        return {
            "name": "evolution",
            "population": self.size,
            "tournament": self.tournament,
            "discard": self.discard,
            "mutations": self.mutations,
            "mutation_decay": self.mutation_decay,
            "guided": self.guided,
        }

    def observe(self, trial: Trial) -> None:
        """Take a successful trial into the population; count children that were trained."""
        if trial.evaluation.status == "ok":
            self.population = survive([*self.population, trial], self.size, self.discard)
        if trial.proposal.parent is not None and trial.evaluation.status != "rejected":
            self.children += 1

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """A random architecture until the population is full, then a mutated tournament winner."""
        if len(self.population) < self.size:
            return Proposal(space.random(rng))
        parent = select(self.population, self.tournament, rng)
        strength = mutations_per_child(self.children, self.mutations, self.mutation_decay)
        evaluation = parent.evaluation if self.guided else None
        child, mutations = space.mutate(parent.architecture, rng, evaluation, strength)
        return Proposal(child, parent.number, mutations)


def select(population: list[Trial], tournament: int, rng: np.random.Generator) -> Trial:
    """The fittest of `tournament` members drawn without repetition."""
    drawn: list[int] = rng.choice(len(population), size=tournament, replace=False).tolist()
    return max((population[i] for i in drawn), key=lambda trial: trial.fitness)


def mutations_per_child(children: int, most: int, decay: float) -> int:
    """Many mutations early and one late: `max(ceil(d - i / r), 1)`, EvaNet's schedule.

    Args:
        children: i, the children trained so far.
        most: d, the number of mutations of the first child.
        decay: r, the children after which there is one mutation less.
    """
    return max(math.ceil(most - children / decay), 1)


def survive(population: list[Trial], size: int, discard: Discard) -> list[Trial]:
    """Drop the worst member (of equals the oldest) or the oldest if there are more than `size`.

    Args:
        population: from the oldest member to the youngest.
        size: how many may stay.
        discard: who goes.
    """
    if len(population) <= size:
        return population
    loser = 0
    if discard == "worst":
        loser = min(range(len(population)), key=lambda i: population[i].fitness)
    return population[:loser] + population[loser + 1 :]
