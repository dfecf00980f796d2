"""Brief trainings that look hopeless end early: asynchronous successive halving.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv 1810.05934),
with trainings that stop or go on at a rung, and never wait for others there. The published
algorithm resumes a paused training when it turns out to be among the best; to stop it instead needs
no checkpoints and no second visit to a worker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vidnas.evolution.trial import Trial

_ETA = 3
RUNGS = (1 / _ETA**2, 1 / _ETA)
"""Shares of the budget after which a training must be among the best third to go on."""
_LEAST_KNOWN = 2 * _ETA  # a third of fewer says nothing
_WINDOW = 300  # bars follow the search, and cost the same late in it


def bars(rungs: int, trials: Sequence[Trial]) -> tuple[float, ...]:
    """The least fitness to go on with at each rung: the best third's of the trials before.

    Minus infinity as long as too few trials have been there.
    """
    curves = [trial.evaluation.curve for trial in trials[-_WINDOW:]]
    return tuple(
        _bar([curve[rung] for curve in curves if len(curve) > rung]) for rung in range(rungs)
    )


def _bar(known: list[float]) -> float:
    if len(known) < _LEAST_KNOWN:
        return -math.inf
    return sorted(known, reverse=True)[math.ceil(len(known) / _ETA) - 1]
