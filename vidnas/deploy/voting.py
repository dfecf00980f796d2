"""Which finished networks answer together: those whose vote keeps the limits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from operator import itemgetter

from vidnas.core import Cost
from vidnas.deploy.ensemble import Predictions
from vidnas.evolution.limits import Limits

MOST_VOTERS = 4
"""Every set up to this size is tried, and each voter is one more input to feed."""


def choose_votes(
    validation: Predictions, costs: Sequence[Cost | None], limits: Limits
) -> list[tuple[int, ...]]:
    """Return the sets of networks that are better together than the first one alone.

    They are ordered by what ranks networks on the validation split. With one label that is the
    loss: on the few videos of that split most sets are equally accurate, and the most accurate ones
    can be far less sure. In nine searches the loss never chose a set that the test split found less
    accurate than the best alone. There is nothing to gain over a network that is always right.

    Args:
        validation: what all networks predict, that of the best alone first.
        costs: of the networks.
        limits: what a set has to keep.

    Returns:
        Indices in rising order, the best set first, of equals the smallest.
    """
    own = validation.score([0])
    if own.headline_share == 1.0:
        return []
    found: list[tuple[tuple[float, float], tuple[int, ...]]] = []
    for voters in sets_within(limits, costs):
        rank = validation.score(voters).rank
        if rank > own.rank:
            found.append((rank, voters))
    return [voters for _, voters in sorted(found, key=itemgetter(0), reverse=True)]


def sets_within(limits: Limits, costs: Sequence[Cost | None]) -> list[tuple[int, ...]]:
    """Return the sets of several networks that cost about no more than the limits together, the
    smallest first: none where a cost is not known, or nothing limits how many may answer.

    Args:
        limits: what a set has to keep.
        costs: of the networks; a set costs about what they do one after the other.
    """
    known = [cost for cost in costs if cost is not None]
    if limits == Limits() or limits.frame_latency_ms is not None or len(known) < len(costs):
        return []
    return [
        voters
        for size in range(2, MOST_VOTERS + 1)
        for voters in combinations(range(len(known)), size)
        if limits.judge(Cost.in_turn([known[index] for index in voters])) is None
    ]
