"""An architecture as boxes and arrows: what a family says, and the report floor draws."""

from __future__ import annotations

from vidnas.core.value import Value


class Box(Value):
    """One layer, branch or block."""

    name: str
    """Unique within the diagram; edges refer to it."""
    column: int
    """Index of its column; boxes of one column are stacked in the order given."""
    kind: str
    """The layer kind as the legend calls it ("2D conv", "context gate"): one colour each."""
    label: str
    detail: str = ""


class Edge(Value):
    """An arrow between two boxes; a weight below one is drawn fainter."""

    source: str
    target: str
    weight: float = 1.0


class Diagram(Value):
    """Columns from left to right, each with a title and stacked boxes, and arrows between boxes."""

    title: str
    columns: tuple[str, ...]
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...] = ()
