"""How sure an accuracy is, and what it is beside guessing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vidnas.core.quantities import format_percent
from vidnas.core.text import counted
from vidnas.training.metrics import AnyMetrics, Metrics

_Z = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


def wilson_interval(hits: float, count: int) -> tuple[float, float]:
    """Return where the true share lies with 95 % confidence, given hits among so many.

    Wilson's score interval (1927, doi:10.1080/01621459.1927.10502953), which stays within [0, 1]
    and holds for few clips, too. Nothing is known of a share of none.
    """
    if count == 0:
        return 0.0, 1.0
    share, slack = hits / count, _Z**2 / count
    middle = share + slack / 2
    half = _Z * math.sqrt(share * (1 - share) / count + slack / (4 * count))
    return max((middle - half) / (1 + slack), 0.0), min((middle + half) / (1 + slack), 1.0)


def accuracy_interval(metrics: AnyMetrics) -> tuple[float, float] | None:
    """Return where the headline accuracy lies with 95 % confidence; None for precision, which is no
    share of the clips.

    A mean over classes has the intervals of its classes, squared and added (Zou and Donner 2008,
    doi:10.1002/sim.3095).
    """
    if not isinstance(metrics, Metrics):
        return None
    if metrics.headline == "top1":
        return wilson_interval(metrics.top1 * metrics.clips, metrics.clips)
    recalls = [(row[place], sum(row)) for place, row in enumerate(metrics.confusion) if sum(row)]
    below = above = 0.0
    for hits, count in recalls:
        low, high = wilson_interval(hits, count)
        below += (hits / count - low) ** 2
        above += (high - hits / count) ** 2
    mean, classes = metrics.mean_class, max(len(recalls), 1)
    return max(mean - math.sqrt(below) / classes, 0.0), min(mean + math.sqrt(above) / classes, 1.0)


def chance_level(metrics: AnyMetrics) -> float:
    """Return the headline that guessing reaches, each class as likely: one of the classes, or for
    mean average precision the mean share of the videos that show a class."""
    if isinstance(metrics, Metrics):
        return 1 / max(len(metrics.confusion), 1)
    shares = [shown / metrics.clips for shown in metrics.positives if shown]
    return sum(shares) / max(len(shares), 1)


def majority_class(metrics: AnyMetrics) -> int | None:
    """Return the index of the most frequent class of these clips; None where a video may show
    several."""
    if not isinstance(metrics, Metrics) or not metrics.confusion:
        return None
    counts = [sum(row) for row in metrics.confusion]
    return counts.index(max(counts))


def majority_share(metrics: AnyMetrics) -> float | None:
    """Return the headline that always naming the most frequent class reaches; None where a video
    may show several, and where the clips show only one: they tell nothing of a network that always
    names it."""
    if not isinstance(metrics, Metrics):
        return None
    counts = [count for row in metrics.confusion if (count := sum(row))]
    if len(counts) < 2:
        return None
    if metrics.headline == "mean_class":
        return 1 / len(counts)
    return max(counts) / metrics.clips


def is_at_chance(metrics: AnyMetrics) -> bool:
    """Return whether the headline is not surely better than guessing or the most frequent class.

    An accuracy is surely better if all of its interval is; precision, which has none, if its odds
    are half as great again as by chance.
    """
    chance, interval = chance_level(metrics), accuracy_interval(metrics)
    if interval is None:
        share = metrics.headline_share
        return share * (1 - chance) < 1.5 * chance * (1 - share)
    return interval[0] <= max(chance, majority_share(metrics) or 0.0)


def beside_guessing(metrics: AnyMetrics) -> dict[str, Any]:
    """Return what to read a headline beside, ready for JSON."""
    return {
        "interval": accuracy_interval(metrics),
        "chance_level": chance_level(metrics),
        "majority_share": majority_share(metrics),
        "at_chance": is_at_chance(metrics),
    }


def describe_chance(metrics: AnyMetrics, classes: Sequence[str]) -> str:
    """Say in one phrase where the headline lies, and what guessing reaches."""
    interval, guessing = describe_interval(metrics), describe_guessing(metrics, classes)
    return f"{interval} with 95 % confidence, {guessing}" if interval else guessing


def describe_interval(metrics: AnyMetrics) -> str:
    """Say where the headline lies: "between 61.0% and 83.9%"; nothing of precision."""
    found = accuracy_interval(metrics)
    return f"between {format_percent(found[0])} and {format_percent(found[1])}" if found else ""


def describe_guessing(metrics: AnyMetrics, classes: Sequence[str]) -> str:
    """Say what comes without any network; of classes that are as frequent as each other, always
    naming one is guessing, too."""
    level = format_percent(chance_level(metrics))
    frequent, share = majority_class(metrics), majority_share(metrics)
    if frequent is None or share is None or format_percent(share) == level:
        return f"guessing reaches {level}"
    return f"guessing reaches {level}, always naming {classes[frequent]} {format_percent(share)}"


def chance_warning(metrics: AnyMetrics, classes: Sequence[str]) -> str | None:
    """Say that a network may be guessing; None where it surely is not."""
    if not is_at_chance(metrics):
        return None
    level, rival = chance_level(metrics), "guessing"
    frequent, share = majority_class(metrics), majority_share(metrics)
    if frequent is not None and share is not None and share > level:
        level, rival = share, f"always naming {classes[frequent]}"
    found = f"{format_percent(metrics.headline_share)} {metrics.headline_name}"
    on = counted(metrics.clips, "clip")
    beside = f"{found} on {on}, where {rival} reaches {format_percent(level)}"
    if metrics.headline_share > level:
        return (
            f"This network may be guessing: {beside}, which so few clips do not tell apart; test "
            "it on more clips before you rely on it."
        )
    return (
        f"This network is no better than guessing: {beside}; train on more clips, or for longer, "
        "and look whether the labels are right."
    )
