"""An architecture as boxes and arrows: what a family says, and the report floor draws."""

from __future__ import annotations

from collections.abc import Mapping

from vidnas.core.value import Value


class Box(Value):
    """One layer, branch or block."""

    name: str
    """Unique within the diagram; edges refer to it."""
    column: int
    """Index of its column; boxes of one column are stacked in the order given."""
    lane: int | None = None
    """Boxes of one column and one lane stand in a row."""
    upright: bool = False
    """A narrow bar as high as its column, such as a layer that joins parallel branches."""
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
    """Titles; a column without one has no panel behind its boxes."""
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...] = ()
    note: str = ""
    """A sentence below the legend."""

    def weighted(self, connection_weights: Mapping[str, float]) -> Diagram:
        """The same diagram, where the edges named `source->target` have these weights."""
        edges = []
        for edge in self.edges:
            weight = connection_weights.get(f"{edge.source}->{edge.target}", edge.weight)
            edges.append(edge.model_copy(update={"weight": weight}))
        return self.model_copy(update={"edges": tuple(edges)})
