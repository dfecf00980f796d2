"""Where the sizes of tensors stand: beside the arrows that leave a box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from vidnas.core import Box
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


def size_extent(box: Box) -> tuple[float, float]:
    """Return the width and height that the lines of a size need, as they are read."""
    lines = size_lines(box)
    width = max((text_width(line, SIZE_PX) for line in lines), default=0.0)
    return width, LINE * SIZE_PX * len(lines)


def room_beside(box: Box) -> float:
    """Return what a size needs between its box and the next one to the right."""
    if not box.size:
        return 0.0
    width, height = size_extent(box)
    return _GAP_PX + (height if box.upright else width) + _HEAD_PX


def room_below(box: Box) -> float:
    """Return what a size needs between its box and the next one below it."""
    return size_extent(box)[1] + _GAP_PX if box.size else 0.0


def room_across(box: Box) -> float:
    """Return the width of a column in which a size stands beside an arrow that leads down its
    middle."""
    return 2 * (size_extent(box)[0] + _GAP_PX) if box.size else 0.0


def place_sizes(boxes: Mapping[str, PlacedBox], routes: Sequence[Route]) -> Iterator[PlacedSize]:
    """Yield the size of each box that has one and that arrows leave."""
    leaving: dict[str, list[Route]] = defaultdict(list)
    for route in routes:
        leaving[route.source].append(route)
    for name, own in leaving.items():
        placed = boxes[name]
        if not placed.box.size:
            continue
        sideways = [route for route in own if route.shape != "down"]
        if placed.box.upright:
            yield _beside_bar(placed, own)
        elif sideways:
            yield _beside_box(placed, sideways)
        else:
            yield _below(placed, own[0])


def _beside_bar(placed: PlacedBox, routes: Sequence[Route]) -> PlacedSize:
    """Stand where most room is between the arrows."""
    height, width = size_extent(placed.box)
    ends = sorted(route.points[0][1] for route in routes)
    free = pairwise([placed.y, *ends, placed.y + placed.height])
    upper, lower = max(free, key=lambda gap: gap[1] - gap[0])
    x, y = placed.x + placed.width + _GAP_PX, (upper + lower - height) / 2
    return PlacedSize(size_lines(placed.box), x, y, width, height, upright=True)


def _beside_box(placed: PlacedBox, routes: Sequence[Route]) -> PlacedSize:
    """Stand above arrows that lead down and below those that lead up, within the band of the
    box."""
    width, height = size_extent(placed.box)
    ends = [route.points[0][1] for route in routes]
    if fmean(route.points[1][1] for route in routes) >= fmean(ends):
        y = min(ends) - _GAP_PX / 2 - height
    else:
        y = max(ends) + _GAP_PX / 2
    highest, lowest = placed.y - _OVERHANG_PX, placed.y + placed.height + _OVERHANG_PX - height
    x = placed.x + placed.width + _GAP_PX
    return PlacedSize(
        size_lines(placed.box), x, min(max(y, highest), lowest), width, height, upright=False
    )


def _below(placed: PlacedBox, route: Route) -> PlacedSize:
    width, height = size_extent(placed.box)
    (x, upper), (_, lower) = route.points
    y = (upper + lower - height) / 2
    return PlacedSize(size_lines(placed.box), x + _GAP_PX, y, width, height, upright=False)
