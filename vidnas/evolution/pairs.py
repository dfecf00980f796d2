"""Designs that were drawn in both ways to normalise their clips, and what became of each."""

from __future__ import annotations

import math
from collections.abc import Iterable

from vidnas.core import Evaluation
from vidnas.evolution.trial import FLOOR, Trial
from vidnas.families.clips import are_seen_otherwise

_HOPELESS = 0.4
"""Share of its twin's fitness, on the highest rung that both reached, below which a design is given
up."""


class Pairs:
    """The designs of a search, of which those are twins that differ in one thing alone: how they
    normalise their clips.

    Args:
        trials: what is known already, by number.
    """

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._designs: dict[int, Trial] = {}
        """By number."""
        self._roots: dict[int, int] = {}
        """Who a child descends from, by its number."""
        for trial in trials:
            self.observe(trial)

    def observe(self, trial: Trial) -> None:
        """Take what became of a candidate."""
        parent = trial.proposal.parent
        if parent is not None:
            self._roots[trial.number] = self._roots.get(parent, parent)
        if trial.proposal.design:
            self._designs[trial.number] = trial

    def other_way(self, best: Trial, rung: int) -> Trial | None:
        """Return the design that a candidate descends from, or is, as it normalises its clips in
        the other way; None where there is none, where both have climbed to a rung, so that they
        have been compared, or where it is hopeless.

        Each clip by itself often learns sooner, and ends lower on some clips. On twelve generated
        motions the first design led with it in eight of nine searches, and in the other way it ends
        ten points higher when it is trained alone (docs/search.md).

        Args:
            best: the candidate.
            rung: the one that it is on, or climbs to.
        """
        root = self._designs.get(self._roots.get(best.number, best.number))
        twin = None if root is None else self._twin_of(root)
        if root is None or twin is None:
            return None
        both = min(root.rung, twin.rung)
        if both >= rung or _is_hopeless(twin.evaluations[both], root.evaluations[both]):
            return None
        return root if _is_seen_alike(twin, best) else twin

    def _twin_of(self, design: Trial) -> Trial | None:
        """Return the other of a pair of designs; None where there is none, or one of both is not
        ok."""
        for twin in self._designs.values():
            if are_seen_otherwise(design.architecture, twin.architecture):
                both_ok = design.evaluation.status == twin.evaluation.status == "ok"
                return twin if both_ok else None
        return None


def _is_hopeless(one: Evaluation, other: Evaluation) -> bool:
    """Return whether a design is far less fit than its twin, and the twin not near chance."""
    mine, theirs = (found.fitness or 0.0 for found in (one, other))
    return theirs > other.metrics.get(FLOOR, -math.inf) and mine < _HOPELESS * theirs


def _is_seen_alike(one: Trial, other: Trial) -> bool:
    return one.architecture.centres_clips == other.architecture.centres_clips
