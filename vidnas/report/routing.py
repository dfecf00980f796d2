"""How arrows find their way between placed boxes: through the gaps of the columns they skip.

No library does it, for the reasons that `layout.py` gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from vidnas.core import Box, Edge

Point = tuple[float, float]
Shape = Literal["down", "loop", "across"]
Passage = tuple[int, int]
"""A gap of a column, by their indices."""


@dataclass(frozen=True)
class PlacedBox:
    """A box with its place and its wrapped text."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    label: tuple[str, ...]
    detail: tuple[str, ...]

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class PlacedColumn:
    """A column with its wrapped title."""

    title: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    gaps: tuple[tuple[float, float], ...]
    """Top and bottom of the free bands above, between and below its boxes."""


@dataclass(frozen=True)
class Route:
    """An arrow, given by the points that it passes.

    `down` leads to the next box of the same column, `loop` to another one of the same column, and
    `across` to another column or to the next box of the same row.
    """

    shape: Shape
    points: tuple[Point, ...]
    source: str
    """The box that it leaves."""
    weight: float
    marked: bool


def find_passages(
    edges: Sequence[Edge], columns: Sequence[PlacedColumn], boxes: Mapping[str, PlacedBox]
) -> dict[Edge, tuple[Passage, ...]]:
    """Choose the gap that each arrow takes through each column that it skips.

    It is the one nearest to the straight line; arrows that skip none have no passages.
    """
    return {
        edge: tuple(_passages(columns, boxes[edge.source], boxes[edge.target])) for edge in edges
    }


def find_routes(
    passages: Mapping[Edge, Sequence[Passage]],
    columns: Sequence[PlacedColumn],
    boxes: Mapping[str, PlacedBox],
) -> list[Route]:
    """Lead every arrow through its passages, side by side where they share one."""
    neighbours = {
        (upper.box.name, lower.box.name)
        for upper, lower in pairwise(boxes.values())
        if upper.box.column == lower.box.column
    }
    next_to = [edge for edge in passages if (edge.source, edge.target) in neighbours]
    lanes = _lanes(passages, columns, boxes)
    across = {
        edge: [lanes[edge, passage] for passage in gaps]
        for edge, gaps in passages.items()
        if (edge.source, edge.target) not in neighbours
    }
    leaving = _ports(across, boxes, leaving=True)
    arriving = _ports(across, boxes, leaving=False)
    routes = [_straight(edge, boxes[edge.source], boxes[edge.target]) for edge in next_to]
    for edge, heights in across.items():
        points = [leaving[edge]]
        for (index, _), y in zip(passages[edge], heights, strict=True):
            left = columns[index].x
            points += [(left, y), (left + columns[index].width, y)]
        points.append(arriving[edge])
        same = boxes[edge.source].box.column == boxes[edge.target].box.column
        routes.append(_route("loop" if same else "across", tuple(points), edge))
    return routes


def _passages(
    columns: Sequence[PlacedColumn], source: PlacedBox, target: PlacedBox
) -> list[Passage]:
    first, last = source.box.column, target.box.column
    passages = []
    for column in range(first + 1, last):
        share = (column - first) / (last - first)
        wanted = source.middle + share * (target.middle - source.middle)
        distances = [abs((upper + lower) / 2 - wanted) for upper, lower in columns[column].gaps]
        passages.append((column, distances.index(min(distances))))
    return passages


def _lanes(
    passages: Mapping[Edge, Sequence[Passage]],
    columns: Sequence[PlacedColumn],
    boxes: Mapping[str, PlacedBox],
) -> dict[tuple[Edge, Passage], float]:
    """Return the height of each arrow in each passage: those that come from above stay above."""
    users: dict[Passage, list[tuple[float, float, Edge]]] = defaultdict(list)
    for edge, gaps in passages.items():
        ends = (boxes[edge.source].middle, boxes[edge.target].middle)
        bands = [columns[column].gaps[gap] for column, gap in gaps]
        heights = [ends[0], *((upper + lower) / 2 for upper, lower in bands), ends[1]]
        for passage, before, after in zip(gaps, heights, heights[2:], strict=False):
            users[passage].append((before + after, sum(ends), edge))
    lanes = {}
    for passage, crowd in users.items():
        upper, lower = columns[passage[0]].gaps[passage[1]]
        for position, (*_, edge) in enumerate(sorted(crowd, key=lambda user: user[:2]), start=1):
            lanes[edge, passage] = upper + position / (len(crowd) + 1) * (lower - upper)
    return lanes


def _straight(edge: Edge, source: PlacedBox, target: PlacedBox) -> Route:
    if source.y == target.y:
        start = (source.x + source.width, source.middle)
        return _route("across", (start, (target.x, target.middle)), edge)
    x = source.x + source.width / 2
    return _route("down", ((x, source.y + source.height), (x, target.y)), edge)


def _route(shape: Shape, points: tuple[Point, ...], edge: Edge) -> Route:
    return Route(shape, points, edge.source, edge.weight, edge.marked)


def _ports(
    across: Mapping[Edge, Sequence[float]], boxes: Mapping[str, PlacedBox], *, leaving: bool
) -> dict[Edge, Point]:
    """Spread the arrows of one box over its side, in the order of where they come from or go."""
    sides: dict[str, list[tuple[float, Edge]]] = defaultdict(list)
    for edge, lanes in across.items():
        here, there = (edge.source, edge.target) if leaving else (edge.target, edge.source)
        near = lanes[0 if leaving else -1] if lanes else boxes[there].middle
        sides[here].append((near, edge))
    ports = {}
    for name, side in sides.items():
        box = boxes[name]
        side.sort(key=lambda end: end[0])
        for position, (near, edge) in enumerate(side, start=1):
            # Within its own column an arrow loops back into the right side of the other box.
            same = boxes[edge.source].box.column == boxes[edge.target].box.column
            x = box.x + box.width if leaving or same else box.x
            # A bar is met at the height of the other box, so that parallel arrows run straight.
            spread = box.y + box.height * position / (len(side) + 1)
            ports[edge] = (x, near if box.box.upright else spread)
    return ports
