"""What a reader must know about the answer before trusting it, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from vidnas.core.text import counted
from vidnas.report.edges import genes_at_edge
from vidnas.report.study import StudyReport
from vidnas.training import AnyMetrics, Metrics
from vidnas.training.chance import (
    accuracy_interval,
    chance_warning,
    describe_interval,
    is_at_chance,
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
    if test is not None and (warning := chance_warning(test, classes)):
        yield (
            f"{warning} Look at them with `vidnas data show`: can you tell the classes apart at "
            "this size?"
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


def _edges(report: StudyReport) -> list[str]:
    if not report.shown:
        return []
    space = report.config.get("space", {})
    return genes_at_edge(report.shown[0], space, whole_size=report.whole_size)


def _few_clips(test: AnyMetrics | None) -> Iterator[str]:
    interval = accuracy_interval(test) if test is not None else None
    if test is not None and interval and interval[1] - interval[0] > _WIDEST:
        yield (
            f"{counted(test.clips, 'test clip is', 'test clips are')} few: the true accuracy "
            f"lies {describe_interval(test)}, and differences smaller than that say nothing."
        )


def _lost_classes(test: Metrics, classes: tuple[str, ...]) -> Iterator[str]:
    """Classes whose own clips are named so no more often than all clips are; of one class alone
    nothing can be said."""
    if majority_share(test) is None:
        return
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
    if report.winner is not None and report.winner.multi_label:
        return  # what is counted are combinations of classes, and mAP is a mean over classes
    counts = {name: n for name, n in report.videos.get("train", {}).items() if n}
    if len(counts) < 2:
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] >= _LARGEST_RATIO * counts[least]:
        yield (
            f"The classes are imbalanced: {counts[most]} videos of {most} train, and "
            f"{counts[least]} of {least}."
        )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
