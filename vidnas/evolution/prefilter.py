"""Candidates that score low before any training are not trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vidnas.data.cache import ClipCache
from vidnas.data.sampling import Augmentation, train_batches
from vidnas.evolution.trial import Trial
from vidnas.families import Network
from vidnas.training.score import training_free_score

_CLIPS = 32
_SHARE = 1 / 3
"""Of the candidates: those below are rejected."""
_LEAST_KNOWN = 6  # a third of fewer says nothing
_WINDOW = 300  # the bar follows the search, and costs the same late in it


def prefilter_score(network: Network, cache: ClipCache) -> float:
    """The training-free score on a batch of training clips, the same for all candidates."""
    clips, _ = next(
        train_batches(
            cache,
            network.architecture.inputs,
            batch_size=_CLIPS,
            rng=np.random.default_rng(0),
            augmentation=Augmentation(),
        )
    )
    return training_free_score(network, clips)


def least_score(trials: Sequence[Trial]) -> float:
    """The least score to be trained with: the lower third's of the trials before.

    Minus infinity as long as too few are known.
    """
    metrics = [trial.evaluation.metrics for trial in trials[-_WINDOW:]]
    known = [found["score"] for found in metrics if "score" in found]
    return float(np.quantile(known, _SHARE)) if len(known) >= _LEAST_KNOWN else -math.inf
