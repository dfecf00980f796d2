"""Brief training runs that look unpromising end early: asynchronous successive halving.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv 1810.05934),
with training runs that stop or continue at a rung, and never wait for others there. The published
algorithm resumes a paused run when it turns out to be among the best; stopping it instead needs no
checkpoints and no second visit to a worker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vidnas.evolution.trial import Trial

_ETA = 3
RUNGS = (1 / _ETA**2, 1 / _ETA)
"""Shares of the budget after which a candidate must be among the best third to continue."""
_FEWEST_KNOWN = 2 * _ETA  # a third of fewer says nothing
_WINDOW = 300  # thresholds follow the search, and cost the same late in it


def rung_thresholds(rungs: int, trials: Sequence[Trial]) -> tuple[float, ...]:
    """Return the fitness that continues at each rung: the lowest of the best third before it.

    It is minus infinity as long as too few trials have reached the rung.
    """
    curves = [trial.evaluation.curve for trial in trials[-_WINDOW:]]
    return tuple(
        _threshold([curve[rung] for curve in curves if len(curve) > rung]) for rung in range(rungs)
    )


def _threshold(known: list[float]) -> float:
    if len(known) < _FEWEST_KNOWN:
        return -math.inf
    return sorted(known, reverse=True)[math.ceil(len(known) / _ETA) - 1]
