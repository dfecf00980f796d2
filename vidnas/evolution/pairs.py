"""Designs that were drawn in both ways to normalise their clips, and what became of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vidnas.core import Evaluation
from vidnas.evolution.ladder import FLOOR
from vidnas.evolution.trial import Trial
from vidnas.families.clips import are_seen_otherwise

_HOPELESS = 0.4
"""Share of its twin's fitness, on the highest rung that both reached, below which a design is given
up."""


def other_way(best: Trial, trials: Sequence[Trial]) -> Trial | None:
    """Return the design that a candidate descends from, or is, as it normalises its clips in the
    other way; None where there is none, where both have climbed as high as the candidate, so that
    they have been compared, or where it is hopeless.

    Each clip by itself often learns sooner, and ends lower on some clips. On twelve generated
    motions the first design led with it in eight of nine searches and never reached the top in the
    other way, in which it ends ten points higher when it is trained alone (docs/search.md).

    Args:
        best: the candidate.
        trials: all of its search, by number.
    """
    root = best
    while root.proposal.parent is not None:
        root = trials[root.proposal.parent]
    if not root.proposal.design:
        return None
    for twin in trials:
        if twin.evaluation.status != "ok" or not twin.proposal.design:
            continue
        if are_seen_otherwise(root.architecture, twin.architecture):
            rung = min(root.rung, twin.rung)
            if rung >= best.rung or _is_hopeless(twin.evaluations[rung], root.evaluations[rung]):
                return None
            return root if _is_seen_alike(twin, best) else twin
    return None


def _is_hopeless(one: Evaluation, other: Evaluation) -> bool:
    """Return whether a design is far less fit than its twin, and the twin not near chance."""
    mine, theirs = (found.fitness or 0.0 for found in (one, other))
    return theirs > other.metrics.get(FLOOR, -math.inf) and mine < _HOPELESS * theirs


def _is_seen_alike(one: Trial, other: Trial) -> bool:
    return one.architecture.centres_clips == other.architecture.centres_clips
