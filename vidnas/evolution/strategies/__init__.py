"""What to try next: one file per strategy, registered here by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vidnas.core import UserError
from vidnas.core.names import suggest
from vidnas.evolution.strategies.base import Strategy
from vidnas.evolution.strategies.local_search import LocalSearch
from vidnas.evolution.strategies.pareto import ParetoEvolution
from vidnas.evolution.strategies.random_search import RandomSearch
from vidnas.evolution.strategies.top_k import TopK
from vidnas.evolution.strategies.tournament import TournamentEvolution

__all__ = [
    "STRATEGIES",
    "LocalSearch",
    "ParetoEvolution",
    "RandomSearch",
    "Strategy",
    "TopK",
    "TournamentEvolution",
    "make_strategy",
    "read_strategy",
    "strategy_settings",
]

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (TournamentEvolution, RandomSearch, LocalSearch, ParetoEvolution, TopK)
}
"""All strategies by name."""


def strategy_settings(name: str) -> tuple[str, ...]:
    """Return the names of a strategy's settings.

    Raises:
        UserError: there is no such strategy.
    """
    if name not in STRATEGIES:
        raise UserError(f"There is no strategy {name!r}; {suggest(name, STRATEGIES)}")
    return tuple(one.name for one in fields(STRATEGIES[name]))


def make_strategy(name: str, settings: Mapping[str, Any]) -> Strategy:
    """Make a strategy with these settings and its defaults for the others.

    Raises:
        UserError: there is no such strategy, or it has no such setting or cannot take its value.
    """
    known = strategy_settings(name)
    for unknown in settings.keys() - {*known}:
        raise UserError(
            f"The strategy {name} has no setting {unknown!r} (it has {', '.join(known) or 'none'});"
            " leave it out, or choose another strategy."
        )
    return STRATEGIES[name](**settings)


def read_strategy(described: Mapping[str, Any]) -> Strategy:
    """Make the strategy that a `describe()` tells of, fresh, such as that of a study's config.

    Raises:
        UserError: it is not the description of a strategy that is known here.
    """
    settings = {key: value for key, value in described.items() if key != "name"}
    return make_strategy(str(described.get("name")), settings)
