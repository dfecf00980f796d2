"""What a reader must know about the answer before trusting it, in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from vidnas.core.quantities import format_percent
from vidnas.report.study import StudyReport
from vidnas.training import AnyMetrics, Metrics
from vidnas.training.chance import (
    accuracy_interval,
    chance_level,
    is_at_chance,
    majority_class,
    majority_share,
)

_WIDEST = 0.2
"""An interval that is wider tells little."""
_LARGEST_RATIO = 3.0
"""Of the numbers of videos of two classes."""
_MOST_NAMED = 5


def at_chance(report: StudyReport) -> bool:
    """Return whether the answer does no better on the test split than guessing."""
    test = report.winner.test if report.winner else None
    return test is not None and is_at_chance(test)


def interval_phrase(metrics: AnyMetrics) -> str:
    """Return where the headline lies with 95 % confidence: "between 61.0% and 83.9%"."""
    found = accuracy_interval(metrics)
    if found is None:
        return ""
    return f"between {format_percent(found[0])} and {format_percent(found[1])}"


def guessing_phrase(metrics: AnyMetrics, classes: tuple[str, ...]) -> str:
    """Return what comes without any network, in one sentence."""
    phrase = f"Guessing reaches {format_percent(chance_level(metrics))}"
    share, most = majority_share(metrics), majority_class(metrics)
    if share is None or most is None or metrics.headline == "mean_class":
        return f"{phrase}."
    return f"{phrase}; always naming the most frequent class, {classes[most]}, {share:.1%}."


def warnings(report: StudyReport) -> list[str]:
    """Return what is to be told with the answer, the gravest first."""
    return [*_warnings(report)] if report.winner else []


def _warnings(report: StudyReport) -> Iterator[str]:
    assert report.winner is not None
    test, classes = report.winner.test, tuple(report.classes)
    if report.winner.within_limits is False:
        yield (
            "None of the finished networks keeps the limits when it is measured at rest; this one "
            "is the best of those that break them."
        )
    if test is not None and is_at_chance(test):
        yield (
            "This network is not surely better than guessing. "
            f"{guessing_phrase(test, classes)} Give it more clips or more time, and look at them "
            "with `vidnas data show`: can you tell the classes apart at this size?"
        )
    yield from _few_clips(test)
    if isinstance(test, Metrics):
        yield from _lost_classes(test, classes)
    yield from _imbalance(report)
    if report.time_warning:
        yield report.time_warning
    if edges := _edges(report):
        yield (
            f"The answer lies at the edge of the space: {', '.join(edges)} "
            f"{'is' if len(edges) == 1 else 'are'} as large as the search allows, so that more "
            "might be better."
        )


def _few_clips(test: AnyMetrics | None) -> Iterator[str]:
    interval = accuracy_interval(test) if test is not None else None
    if test is not None and interval and interval[1] - interval[0] > _WIDEST:
        yield (
            f"{test.clips} test clips are few: the true accuracy lies {interval_phrase(test)}, and "
            "differences smaller than that say nothing."
        )


def _lost_classes(test: Metrics, classes: tuple[str, ...]) -> Iterator[str]:
    """Classes whose own clips are named so no more often than all clips are."""
    taken = [sum(column) for column in zip(*test.confusion, strict=True)]
    lost = [
        classes[place]
        for place, row in enumerate(test.confusion)
        if sum(row) and row[place] / sum(row) <= taken[place] / test.clips
    ]
    if lost and len(lost) < len(classes):
        one = len(lost) == 1
        yield (
            f"{_named(lost)} {'is' if one else 'are'} not told from the others: "
            f"{'its' if one else 'their'} own clips are recognised no more often than others are "
            f"taken for {'it' if one else 'them'}."
        )


def _imbalance(report: StudyReport) -> Iterator[str]:
    counts = {name: n for name, n in report.videos.get("train", {}).items() if n}
    if len(counts) < 2:
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] >= _LARGEST_RATIO * counts[least]:
        yield (
            f"The classes are imbalanced: {counts[most]} videos of {most} train, and "
            f"{counts[least]} of {least}."
        )


def _edges(report: StudyReport) -> list[str]:
    """Name the genes of the answer whose value is the largest of the space."""
    if report.shown is None:
        return []
    largest: dict[str, float] = {}
    for name, value in _largest(report.config.get("space", {})):
        largest.setdefault(name, value)  # a list of values says more than a bound
    return sorted({*_at_edge(json.loads(report.shown[0].to_json()), largest)})


def _largest(space: Any) -> Iterator[tuple[str, float]]:
    """Return the largest value of each numeric gene that a space describes."""
    if not isinstance(space, Mapping):
        return
    for name, values in space.items():
        if isinstance(values, Mapping):
            yield from _largest(values)
        elif name.startswith("max_") and isinstance(values, int):
            yield name.removeprefix("max_"), values
        elif isinstance(values, list) and len(values) > 2 and _rising(values):
            yield name, values[-1]


def _rising(values: list[Any]) -> bool:
    numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in values)
    return numbers and values == sorted(values)


def _at_edge(genes: Any, largest: Mapping[str, float]) -> Iterator[str]:
    if isinstance(genes, Mapping):
        for name, value in genes.items():
            size = len(value) if isinstance(value, list) else value
            if not isinstance(size, bool) and largest.get(name) == size:
                kind = "number of " if isinstance(value, list) else ""
                yield kind + name.replace("_", " ").replace("size px", "size")
            yield from _at_edge(value, largest)
    elif isinstance(genes, list):
        for one in genes:
            yield from _at_edge(one, largest)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
