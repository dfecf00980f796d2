"""Where the boxes and arrows of a diagram go: columns left to right, boxes sized to their text.

No library does it, because Graphviz needs a system package or a wheel that takes 110 MB installed,
and neither keeps columns, rows and bars where a family puts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from vidnas.core import Box, Diagram
from vidnas.report.routing import (
    Passage,
    PlacedBox,
    PlacedColumn,
    Route,
    find_passages,
    find_routes,
)
from vidnas.report.sizes import PlacedSize, Sizes
from vidnas.report.texts import LINE, text_width, wrap

LABEL_PX, DETAIL_PX, TITLE_PX, HEADING_PX = 12.5, 11.0, 12.0, 17.0
MARGIN, PADDING = 24.0, 9.0
GUTTER = 40.0
"""Between columns: room for an arrow to turn."""
_BAR_GUTTER = 22.0
"""Beside a column without a panel."""
STACK_GAP = 20.0
_ROW_GAP = 18.0
_WRAP_PX = 118.0
_LANES_PX = 22.0
"""Height of the band above or below a column through which arrows may pass."""
_LANE_PX, _PORT_PX, _TURN_PX = 5.0, 8.0, 3.0
"""What one arrow needs: in a band between boxes, at the side of a box, and in a gutter."""


@dataclass(frozen=True)
class Layout:
    """A diagram with every place decided, in pixels."""

    width: float
    height: float
    columns: tuple[PlacedColumn, ...]
    boxes: tuple[PlacedBox, ...]
    routes: tuple[Route, ...]
    sizes: tuple[PlacedSize, ...]


def lay_out(diagram: Diagram) -> Layout:
    """Decide the place of every column, box and arrow."""
    # The way of each arrow is known once the boxes are placed; placing them again gives it room.
    chained = _has_chain(diagram)
    sizes = Sizes(diagram, chained=chained)
    columns, boxes = _place(diagram, Counter(), sizes, chained)
    passages = find_passages(diagram.edges, columns, boxes)
    traffic = Counter(gap for gaps in passages.values() for gap in gaps)
    columns, boxes = _place(diagram, traffic, sizes, chained)
    right, bottom = MARGIN, MARGIN
    for column in columns:
        right, bottom = column.x + column.width, column.y + column.height
    routes = tuple(find_routes(passages, columns, boxes))
    heading = text_width(diagram.title, HEADING_PX, bold=True) + 2 * MARGIN
    return Layout(
        width=max(right + MARGIN, heading),
        height=bottom + MARGIN,
        columns=tuple(columns),
        boxes=tuple(boxes.values()),
        routes=routes,
        sizes=tuple(sizes.place(boxes, routes)),
    )


def _place(
    diagram: Diagram, traffic: Counter[Passage], sizes: Sizes, chained: bool
) -> tuple[list[PlacedColumn], dict[str, PlacedBox]]:
    """Place columns and boxes, with bands that are wide enough for the arrows in each passage."""
    titles = [wrap(title, TITLE_PX, _WRAP_PX, bold=True) for title in diagram.columns]
    stacks = [[box for box in diagram.boxes if box.column == index] for index in range(len(titles))]
    ports = _ports(diagram)
    heights = [[_row_height(row, ports) for row in _rows(stack)] for stack in stacks]
    bands = [_bands(index, _rows(stack), traffic, sizes) for index, stack in enumerate(stacks)]
    below = [[max(map(sizes.below, row)) for row in _rows(stack)] for stack in stacks]
    totals = [sum(map(sum, parts)) for parts in zip(heights, bands, below, strict=True)]
    tallest = max(totals, default=0.0)
    for index, stack in enumerate(stacks):
        if any(box.upright for box in stack):
            rows = len(heights[index])
            heights[index] = [(tallest - sum(bands[index])) / rows] * rows
            totals[index] = tallest
    panel_top = MARGIN + HEADING_PX * LINE + 14
    title_height = max((len(title) for title in titles), default=0) * TITLE_PX * LINE
    top = panel_top + PADDING + title_height
    columns: list[PlacedColumn] = []
    boxes: dict[str, PlacedBox] = {}
    x = MARGIN
    for index, (title, stack) in enumerate(zip(titles, stacks, strict=True)):
        padding = PADDING if title else 0.0
        width = _column_width(title, stack, sizes) + 2 * padding
        # A chain reads from the top of its column; parallel boxes sit around a common middle.
        y = top if chained else top + (tallest - totals[index]) / 2
        gaps = []
        parts = zip(_rows(stack), heights[index], bands[index], below[index], strict=False)
        for row, height, band, caption in parts:
            gaps.append((y, y + band))
            y += band
            for box in _place_row(row, x + padding, y, width - 2 * padding, height, sizes=sizes):
                boxes[box.box.name] = box
            y += height + caption
        gaps.append((y, y + bands[index][-1]))
        columns.append(
            PlacedColumn(title, x, panel_top, width, top + tallest - panel_top, tuple(gaps))
        )
        x += width + _gutter(diagram, titles, index, sizes)
    return columns, boxes


def _ports(diagram: Diagram) -> Counter[str]:
    """Count the arrows at the more crowded side of each box."""
    return Counter(edge.source for edge in diagram.edges) | Counter(
        edge.target for edge in diagram.edges
    )


def _bands(
    column: int, rows: list[list[Box]], traffic: Counter[Passage], sizes: Sizes
) -> list[float]:
    """Return the heights of the free bands above, between and below the rows of a column."""
    between = [max(STACK_GAP, *map(sizes.between, row)) for row in rows[:-1]]
    least = [_LANES_PX, *between, _LANES_PX] if rows else [2 * _LANES_PX]
    return [
        max(height, _LANE_PX * (traffic[column, index] + 1)) for index, height in enumerate(least)
    ]


def _gutter(diagram: Diagram, titles: list[tuple[str, ...]], column: int, sizes: Sizes) -> float:
    """Return the width between a column and the next."""
    both = titles[column] and any(titles[column + 1 : column + 2])
    place = {box.name: box.column for box in diagram.boxes}
    arrows = sum(place[edge.source] <= column < place[edge.target] for edge in diagram.edges)
    leaving = {edge.source for edge in diagram.edges if place[edge.target] > column}
    last = [box for box in diagram.boxes if box.column == column and box.name in leaving]
    return max(GUTTER if both else _BAR_GUTTER, _TURN_PX * arrows, *map(sizes.beside, last))


def _has_chain(diagram: Diagram) -> bool:
    """Return whether an arrow leads from a box to another one of its column but not of its row."""
    box_of = {box.name: box for box in diagram.boxes}
    ends = [(box_of[edge.source], box_of[edge.target]) for edge in diagram.edges]
    return any(
        source.column == target.column and (source.lane is None or source.lane != target.lane)
        for source, target in ends
    )


def _rows(stack: list[Box]) -> list[list[Box]]:
    """Return a column's rows: boxes of one lane stand side by side, one without a lane alone."""
    return [
        list(row)
        for _, row in groupby(stack, key=lambda box: box.name if box.lane is None else box.lane)
    ]


def _lines(box: Box) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if box.upright:
        return tuple(box.label.splitlines()), tuple(box.detail.splitlines())
    return wrap(box.label, LABEL_PX, _WRAP_PX, bold=True), wrap(box.detail, DETAIL_PX, _WRAP_PX)


def _size(box: Box) -> tuple[float, float]:
    """Return the width and height that the text of a box needs."""
    label, detail = _lines(box)
    widths = [text_width(line, LABEL_PX, bold=True) for line in label]
    widths += [text_width(line, DETAIL_PX) for line in detail]
    along = max(widths, default=0.0) + 22
    across = 14 + LINE * (len(label) * LABEL_PX + len(detail) * DETAIL_PX)
    return (across, along) if box.upright else (along, across)


def _row_width(row: list[Box], sizes: Sizes) -> float:
    gaps = sum(max(_ROW_GAP, sizes.beside(box)) for box in row[:-1])
    return sum(_size(box)[0] for box in row) + gaps


def _row_height(row: list[Box], ports: Counter[str]) -> float:
    return max(max(_size(box)[1], _PORT_PX * (ports[box.name] + 1)) for box in row)


def _column_width(title: tuple[str, ...], stack: list[Box], sizes: Sizes) -> float:
    widths = [text_width(line, TITLE_PX, bold=True) for line in title]
    widths += map(sizes.across, stack)
    return max([*widths, *(_row_width(row, sizes) for row in _rows(stack))], default=0.0)


def _place_row(
    row: list[Box], x: float, y: float, width: float, height: float, *, sizes: Sizes
) -> Iterator[PlacedBox]:
    """Place boxes side by side; they share the width that the row leaves free in its column."""
    more = (width - _row_width(row, sizes)) / len(row)
    for box in row:
        wide = _size(box)[0] + more
        yield PlacedBox(box, x, y, wide, height, *_lines(box))
        x += wide + max(_ROW_GAP, sizes.beside(box))
