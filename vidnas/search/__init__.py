"""The evolution: population, selection, limits, evaluation, the study and its storage."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidnas.search.config import StudyConfig as StudyConfig
    from vidnas.search.engine import Event as Event
    from vidnas.search.engine import run_search as run_search
    from vidnas.search.evaluator import ClipEvaluator as ClipEvaluator
    from vidnas.search.evaluator import Evaluator as Evaluator
    from vidnas.search.executors import Executor as Executor
    from vidnas.search.executors import InlineExecutor as InlineExecutor
    from vidnas.search.executors import LocalExecutor as LocalExecutor
    from vidnas.search.limits import Limits as Limits
    from vidnas.search.local_search import LocalSearch as LocalSearch
    from vidnas.search.pareto import ParetoEvolution as ParetoEvolution
    from vidnas.search.strategies import RandomSearch as RandomSearch
    from vidnas.search.strategies import Strategy as Strategy
    from vidnas.search.strategies import TournamentEvolution as TournamentEvolution
    from vidnas.search.study import Study as Study
    from vidnas.search.trial import Proposal as Proposal
    from vidnas.search.trial import Trial as Trial

_ROOMS = {
    "StudyConfig": "config",
    "Event": "engine",
    "run_search": "engine",
    "ClipEvaluator": "evaluator",
    "Evaluator": "evaluator",
    "Executor": "executors",
    "InlineExecutor": "executors",
    "LocalExecutor": "executors",
    "Limits": "limits",
    "LocalSearch": "local_search",
    "ParetoEvolution": "pareto",
    "RandomSearch": "strategies",
    "Strategy": "strategies",
    "TournamentEvolution": "strategies",
    "Study": "study",
    "Proposal": "trial",
    "Trial": "trial",
}
__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    # Workers import this package on their way to the executors: Optuna and torch would cost each of
    # them a second and memory before it is set up.
    if name in _ROOMS:
        return getattr(import_module(f"vidnas.search.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'vidnas.search' has no attribute {name!r}")
