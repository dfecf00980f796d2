"""The search itself: strategies, limits, evaluation, the study and its storage, executors."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidnas.evolution.clip_evaluator import ClipEvaluation as ClipEvaluation
    from vidnas.evolution.clip_evaluator import ClipEvaluator as ClipEvaluator
    from vidnas.evolution.cluster_clips import ClusterClipEvaluator as ClusterClipEvaluator
    from vidnas.evolution.config import StudyConfig as StudyConfig
    from vidnas.evolution.engine import run_search as run_search
    from vidnas.evolution.evaluator import AdaptiveEvaluator as AdaptiveEvaluator
    from vidnas.evolution.evaluator import ClimbingEvaluator as ClimbingEvaluator
    from vidnas.evolution.evaluator import Evaluator as Evaluator
    from vidnas.evolution.evaluator import FunctionEvaluator as FunctionEvaluator
    from vidnas.evolution.events import Event as Event
    from vidnas.evolution.executors import Executor as Executor
    from vidnas.evolution.executors import InlineExecutor as InlineExecutor
    from vidnas.evolution.executors import LocalExecutor as LocalExecutor
    from vidnas.evolution.limits import Limits as Limits
    from vidnas.evolution.niches import Niches as Niches
    from vidnas.evolution.ray_executor import RayExecutor as RayExecutor
    from vidnas.evolution.strategies import LocalSearch as LocalSearch
    from vidnas.evolution.strategies import ParetoEvolution as ParetoEvolution
    from vidnas.evolution.strategies import RandomSearch as RandomSearch
    from vidnas.evolution.strategies import Strategy as Strategy
    from vidnas.evolution.strategies import TopK as TopK
    from vidnas.evolution.strategies import TournamentEvolution as TournamentEvolution
    from vidnas.evolution.study import Study as Study
    from vidnas.evolution.trial import Proposal as Proposal
    from vidnas.evolution.trial import Trial as Trial

_NAMES = {
    "clip_evaluator": ("ClipEvaluation", "ClipEvaluator"),
    "cluster_clips": ("ClusterClipEvaluator",),
    "config": ("StudyConfig",),
    "engine": ("run_search",),
    "evaluator": ("AdaptiveEvaluator", "ClimbingEvaluator", "Evaluator", "FunctionEvaluator"),
    "events": ("Event",),
    "executors": ("Executor", "InlineExecutor", "LocalExecutor"),
    "limits": ("Limits",),
    "niches": ("Niches",),
    "ray_executor": ("RayExecutor",),
    "strategies": (
        "LocalSearch",
        "ParetoEvolution",
        "RandomSearch",
        "Strategy",
        "TopK",
        "TournamentEvolution",
    ),
    "study": ("Study",),
    "trial": ("Proposal", "Trial"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    # Workers import this package on their way to the executors: Optuna and torch would cost each of
    # them a second and memory before it is set up.
    if name in _MODULES:
        return getattr(import_module(f"vidnas.evolution.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'vidnas.evolution' has no attribute {name!r}")
