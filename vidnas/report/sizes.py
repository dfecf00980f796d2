"""Where the sizes of tensors stand: beside the arrows that leave a box."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vidnas.core import Box, Diagram
from vidnas.report.routing import PlacedBox, Route
from vidnas.report.texts import LINE, text_width

SIZE_PX = 9.5
"""The font size."""
_GAP_PX = 4.0
_HEAD_PX = 8.0
"""Of an arrow, which no text covers."""
_OVERHANG_PX = 9.0
"""By how much a size may stand above or below its box: less than half of what is between two."""


@dataclass(frozen=True)
class PlacedSize:
    """A size with its place; an upright one reads from its foot upwards, like its box."""

    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    upright: bool


def size_lines(box: Box) -> tuple[str, ...]:
    """Return the size of what a box hands on in two lines: channels and frames, height and
    width."""
    parts = box.size.split(" x ")
    if len(parts) < 4:
        return (box.size,) if box.size else ()
    return f"{' x '.join(parts[:2])} x", " x ".join(parts[2:])


class Sizes:
    """The sizes of a diagram: the room that they need, and where they stand.

    In a chain they stand beside the arrows; bars have theirs along the arrows. Where several arrows
    leave a box there is no room among them: then all sizes stand below their boxes, where the
    arrows of a column do not come.
    """

    def __init__(self, diagram: Diagram, *, chained: bool) -> None:
        place = {box.name: box.column for box in diagram.boxes}
        bars = {box.name for box in diagram.boxes if box.upright}
        leaving = Counter(
            edge.source for edge in diagram.edges if place[edge.source] != place[edge.target]
        )
        self._chained = chained
        self._captions = any(count > 1 for name, count in leaving.items() if name not in bars)

    def beside(self, box: Box) -> float:
        """Return what a size needs between its box and the next one to the right."""
        if not box.size or (self._captions and not box.upright):
            return 0.0
        width, height = _extent(box)
        return _GAP_PX + (height if box.upright else width) + _HEAD_PX

    def between(self, box: Box) -> float:
        """Return what a size needs between its box and the next one of a chain."""
        return _extent(box)[1] + _GAP_PX if self._chained and box.size else 0.0

    def below(self, box: Box) -> float:
        """Return what a size needs below its box, where no arrow may pass."""
        if not (self._captions and box.size) or box.upright:
            return 0.0
        return LINE * SIZE_PX + _GAP_PX / 2

    def across(self, box: Box) -> float:
        """Return the width of a column that a size needs."""
        if not box.size or box.upright:
            return 0.0
        if self._captions:
            return text_width(box.size, SIZE_PX)
        return 2 * (_extent(box)[0] + _GAP_PX) if self._chained else 0.0

    def place(
        self, boxes: Mapping[str, PlacedBox], routes: Sequence[Route]
    ) -> Iterator[PlacedSize]:
        """Yield the size of each box that has one and that arrows leave."""
        leaving: dict[str, list[Route]] = defaultdict(list)
        for route in routes:
            leaving[route.source].append(route)
        for name, own in leaving.items():
            placed = boxes[name]
            if not placed.box.size:
                continue
            if placed.box.upright:
                yield _along(placed, own)
            elif self._captions:
                yield _caption(placed)
            elif own[0].shape == "down":
                yield _below(placed, own[0])
            else:
                yield _beside(placed, own[0])


def _extent(box: Box) -> tuple[float, float]:
    """Return the width and height that the lines of a size need, as they are read."""
    lines = size_lines(box)
    width = max((text_width(line, SIZE_PX) for line in lines), default=0.0)
    return width, LINE * SIZE_PX * len(lines)


def _along(placed: PlacedBox, routes: Sequence[Route]) -> PlacedSize:
    """Stand where most room is between the arrows."""
    height, width = _extent(placed.box)
    ends = sorted(route.points[0][1] for route in routes)
    free = pairwise([placed.y, *ends, placed.y + placed.height])
    upper, lower = max(free, key=lambda gap: gap[1] - gap[0])
    x, y = placed.x + placed.width + _GAP_PX, (upper + lower - height) / 2
    return PlacedSize(size_lines(placed.box), x, y, width, height, upright=True)


def _caption(placed: PlacedBox) -> PlacedSize:
    """Stand below the corner nearest to the arrows."""
    width, height = text_width(placed.box.size, SIZE_PX), LINE * SIZE_PX
    x, y = placed.x + placed.width - width, placed.y + placed.height + _GAP_PX / 2
    return PlacedSize((placed.box.size,), x, y, width, height, upright=False)


def _beside(placed: PlacedBox, route: Route) -> PlacedSize:
    """Stand above an arrow that leads down and below one that leads up, within the band of the
    box."""
    width, height = _extent(placed.box)
    (x, start), (_, then) = route.points[:2]
    y = start - _GAP_PX / 2 - height if then >= start else start + _GAP_PX / 2
    highest, lowest = placed.y - _OVERHANG_PX, placed.y + placed.height + _OVERHANG_PX - height
    y = min(max(y, highest), lowest)
    return PlacedSize(size_lines(placed.box), x + _GAP_PX, y, width, height, upright=False)


def _below(placed: PlacedBox, route: Route) -> PlacedSize:
    width, height = _extent(placed.box)
    (x, upper), (_, lower) = route.points
    y = (upper + lower - height) / 2
    return PlacedSize(size_lines(placed.box), x + _GAP_PX, y, width, height, upright=False)
