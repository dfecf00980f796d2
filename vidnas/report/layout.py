"""Where the boxes and arrows of a diagram go: columns left to right, boxes sized to their text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from vidnas.core import Box, Diagram, Edge

LABEL_PX, DETAIL_PX, TITLE_PX, HEADING_PX = 12.5, 11.0, 12.0, 17.0
LINE = 1.3
"""Line height in font sizes."""
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

# Advance widths of DejaVu Sans in ems, the widest of the usual sans-serif fonts: a text that fits
# in it fits in all of them.
_EM = {
    **dict.fromkeys("ijlI.,:;'|! ", 0.34),
    **dict.fromkeys("frt()[]-/", 0.42),
    **dict.fromkeys("mwMW%@+<>=", 0.92),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&", 0.74),
}
_OTHER_EM, _WIDE_EM, _BOLD = 0.63, 1.05, 1.1

Point = tuple[float, float]


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
        """Height of its middle."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class PlacedColumn:
    """A column with its wrapped title."""

    title: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Route:
    """An arrow by the points it passes.

    `down` leads to the next box of the same column, `loop` to another one of the same column, and
    `across` to another column or to the next box of the same row.
    """

    shape: Literal["down", "loop", "across"]
    points: tuple[Point, ...]
    weight: float


@dataclass(frozen=True)
class Layout:
    """A diagram with every place decided, in pixels."""

    width: float
    height: float
    columns: tuple[PlacedColumn, ...]
    boxes: tuple[PlacedBox, ...]
    routes: tuple[Route, ...]


def text_width(text: str, size_px: float, *, bold: bool = False) -> float:
    """Width of a text, on the safe side."""
    ems = sum(_EM.get(sign, _OTHER_EM if sign.isascii() else _WIDE_EM) for sign in text)
    return ems * size_px * (_BOLD if bold else 1.0)


def wrap(text: str, size_px: float, width_px: float, *, bold: bool = False) -> tuple[str, ...]:
    """Break each line of a text, at commas where it can be, into lines of at most that width.

    They become about equally long; a word that is longer stays whole.
    """
    broken: list[str] = []
    for line in text.splitlines():
        parts: list[str] = []
        for phrase in line.replace(", ", ",\n").splitlines():
            fits = text_width(phrase, size_px, bold=bold) <= width_px
            parts += [phrase] if fits else phrase.split()
        broken += _balance(parts, size_px, width_px, bold)
    return tuple(broken)


def _balance(words: list[str], size_px: float, width_px: float, bold: bool) -> list[str]:
    fewest = _fill(words, size_px, width_px, bold)
    for narrower_px in range(int(width_px), 0, -6):
        lines = _fill(words, size_px, narrower_px, bold)
        if len(lines) > len(fewest):
            break
        fewest = lines
    return fewest


def _fill(words: list[str], size_px: float, width_px: float, bold: bool) -> list[str]:
    lines: list[str] = []
    for word in words:
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(joined, size_px, bold=bold) <= width_px:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def lay_out(diagram: Diagram) -> Layout:
    """Decide the place of every column, box and arrow."""
    stacks: dict[int, list[Box]] = defaultdict(list)
    for box in diagram.boxes:
        stacks[box.column].append(box)
    titles = [wrap(title, TITLE_PX, _WRAP_PX, bold=True) for title in diagram.columns]
    title_height = max((len(title) for title in titles), default=0) * TITLE_PX * LINE
    panel_top = MARGIN + HEADING_PX * LINE + 14
    top = panel_top + PADDING + title_height + _LANES_PX
    heights = {column: _stack_height(stack) for column, stack in stacks.items()}
    tallest = max(heights.values(), default=0.0)
    # A chain reads from the top of its column; parallel boxes sit around a common middle.
    chained = _has_chain(diagram)

    columns: list[PlacedColumn] = []
    boxes: list[PlacedBox] = []
    x = MARGIN
    for index, title in enumerate(titles):
        stack = stacks[index]
        padding = PADDING if title else 0.0
        width = _column_width(title, stack) + 2 * padding
        y = top if chained else top + (tallest - heights.get(index, 0.0)) / 2
        for row in _rows(stack):
            upright = any(box.upright for box in row)
            height = tallest if upright else _row_height(row)
            boxes += _place_row(
                row, x + padding, top if upright else y, width - 2 * padding, height
            )
            y += height + STACK_GAP
        bottom = top + tallest + _LANES_PX
        columns.append(PlacedColumn(title, x, panel_top, width, bottom - panel_top))
        both = title and index + 1 < len(titles) and titles[index + 1]
        x += width + (GUTTER if both else _BAR_GUTTER)
    right = columns[-1].x + columns[-1].width if columns else MARGIN
    heading = text_width(diagram.title, HEADING_PX, bold=True) + 2 * MARGIN
    return Layout(
        width=max(right + MARGIN, heading),
        height=top + tallest + _LANES_PX + MARGIN,
        columns=tuple(columns),
        boxes=tuple(boxes),
        routes=tuple(_routes(diagram.edges, columns, {box.box.name: box for box in boxes})),
    )


def _has_chain(diagram: Diagram) -> bool:
    """Whether an arrow leads from one box of a column to another one that is not in its row."""
    box_of = {box.name: box for box in diagram.boxes}
    ends = [(box_of[edge.source], box_of[edge.target]) for edge in diagram.edges]
    return any(
        source.column == target.column and (source.lane is None or source.lane != target.lane)
        for source, target in ends
    )


def _rows(stack: list[Box]) -> list[list[Box]]:
    """Boxes of one lane stand side by side; a box without a lane stands alone."""
    return [
        list(row)
        for _, row in groupby(stack, key=lambda box: box.name if box.lane is None else box.lane)
    ]


def _lines(box: Box) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if box.upright:
        return tuple(box.label.splitlines()), tuple(box.detail.splitlines())
    return wrap(box.label, LABEL_PX, _WRAP_PX, bold=True), wrap(box.detail, DETAIL_PX, _WRAP_PX)


def _size(box: Box) -> tuple[float, float]:
    """Width and height that the text of a box needs."""
    label, detail = _lines(box)
    widths = [text_width(line, LABEL_PX, bold=True) for line in label]
    widths += [text_width(line, DETAIL_PX) for line in detail]
    along = max(widths, default=0.0) + 22
    across = 14 + LINE * (len(label) * LABEL_PX + len(detail) * DETAIL_PX)
    return (across, along) if box.upright else (along, across)


def _row_width(row: list[Box]) -> float:
    return sum(_size(box)[0] for box in row) + _ROW_GAP * (len(row) - 1)


def _row_height(row: list[Box]) -> float:
    return max(_size(box)[1] for box in row)


def _stack_height(stack: list[Box]) -> float:
    rows = _rows(stack)
    return sum(_row_height(row) for row in rows) + STACK_GAP * (len(rows) - 1)


def _column_width(title: tuple[str, ...], stack: list[Box]) -> float:
    widths = [text_width(line, TITLE_PX, bold=True) for line in title]
    return max([*widths, *(_row_width(row) for row in _rows(stack))], default=0.0)


def _place_row(
    row: list[Box], x: float, y: float, width: float, height: float
) -> Iterator[PlacedBox]:
    """Place boxes side by side; they share what the column is wider than the row."""
    more = (width - _row_width(row)) / len(row)
    for box in row:
        wide = _size(box)[0] + more
        yield PlacedBox(box, x, y, wide, height, *_lines(box))
        x += wide + _ROW_GAP


def _routes(
    edges: tuple[Edge, ...], columns: list[PlacedColumn], boxes: dict[str, PlacedBox]
) -> list[Route]:
    neighbours = {
        (upper.box.name, lower.box.name)
        for upper, lower in pairwise(boxes.values())
        if upper.box.column == lower.box.column
    }
    next_to = [edge for edge in edges if (edge.source, edge.target) in neighbours]
    across = [edge for edge in edges if (edge.source, edge.target) not in neighbours]
    leaving = _ports(across, boxes, leaving=True)
    arriving = _ports(across, boxes, leaving=False)
    gaps = {
        index: _gaps(column, [box for box in boxes.values() if box.box.column == index])
        for index, column in enumerate(columns)
    }
    passing = {edge: _passages(edge, boxes, gaps) for edge in across}
    users: dict[tuple[int, int], list[Edge]] = defaultdict(list)
    for edge, passages in passing.items():
        for passage in passages:
            users[passage].append(edge)

    routes = [_straight(edge, boxes[edge.source], boxes[edge.target]) for edge in next_to]
    for edge in across:
        points = [leaving[edge]]
        for passage in passing[edge]:
            column, gap = passage
            upper, lower = gaps[column][gap]
            lane = (users[passage].index(edge) + 1) / (len(users[passage]) + 1)
            y = upper + lane * (lower - upper)
            left = columns[column].x
            points += [(left, y), (left + columns[column].width, y)]
        same = boxes[edge.source].box.column == boxes[edge.target].box.column
        points.append(arriving[edge])
        routes.append(Route("loop" if same else "across", tuple(points), edge.weight))
    return routes


def _straight(edge: Edge, source: PlacedBox, target: PlacedBox) -> Route:
    if source.y == target.y:
        start = (source.x + source.width, source.middle)
        return Route("across", (start, (target.x, target.middle)), edge.weight)
    x = source.x + source.width / 2
    return Route("down", ((x, source.y + source.height), (x, target.y)), edge.weight)


def _ports(edges: list[Edge], boxes: dict[str, PlacedBox], *, leaving: bool) -> dict[Edge, Point]:
    """Spread the arrows of one box over its side, in the order of where they lead."""
    sides: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        sides[edge.source if leaving else edge.target].append(edge)
    ports = {}
    for name, side in sides.items():
        box = boxes[name]
        # Within its own column an arrow loops back into the right side of the other box.
        side.sort(key=lambda edge: boxes[edge.target if leaving else edge.source].middle)
        for position, edge in enumerate(side, start=1):
            same = boxes[edge.source].box.column == boxes[edge.target].box.column
            x = box.x + box.width if leaving or same else box.x
            spread = box.height * 0.7 * (position / (len(side) + 1) - 0.5)
            # A bar is met at the height of the other box, so that parallel arrows run straight.
            other = boxes[edge.target if leaving else edge.source]
            ports[edge] = (x, other.middle if box.box.upright else box.middle + spread)
    return ports


def _gaps(column: PlacedColumn, stack: list[PlacedBox]) -> list[tuple[float, float]]:
    """The free bands of a column, from top to bottom."""
    if not stack:
        return [(column.y + _LANES_PX, column.y + column.height)]
    edges = sorted({(box.y, box.y + box.height) for box in stack})
    between = [(upper[1], lower[0]) for upper, lower in pairwise(edges)]
    return [
        (edges[0][0] - _LANES_PX, edges[0][0]),
        *between,
        (edges[-1][1], edges[-1][1] + _LANES_PX),
    ]


def _passages(
    edge: Edge, boxes: dict[str, PlacedBox], gaps: dict[int, list[tuple[float, float]]]
) -> list[tuple[int, int]]:
    """Which gap `(column, index)` an arrow takes through each column that it skips."""
    source, target = boxes[edge.source], boxes[edge.target]
    first, last = source.box.column, target.box.column
    passages = []
    for column in range(first + 1, last):
        share = (column - first) / (last - first)
        wanted = source.middle + share * (target.middle - source.middle)
        distances = [abs((upper + lower) / 2 - wanted) for upper, lower in gaps[column]]
        passages.append((column, distances.index(min(distances))))
    return passages
