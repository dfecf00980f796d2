"""An architecture as boxes and arrows: families fill it, and the report floor draws it."""

from __future__ import annotations

from collections.abc import Mapping

from vidnas.core.value import Value


def tensor_size(channels: int, frames: int, size_px: int) -> str:
    """Return the size of the features of one clip, `C x T x H x W`, as diagrams say it."""
    return f"{channels} x {frames} x {size_px} x {size_px}"


class Box(Value):
    """One layer, branch or block."""

    name: str
    """Unique within the diagram; edges refer to it."""
    column: int
    """Index of its column; boxes of one column are stacked in the order given."""
    lane: int | None = None
    """Boxes of one column and one lane stand in a row."""
    upright: bool = False
    """Drawn as a narrow bar as high as its column, such as a layer that joins parallel branches."""
    unused: bool = False
    """Drawn in grey, because nothing of it reaches the result."""
    marked: bool = False
    """Drawn in a frame, because it is what two diagrams differ in."""
    kind: str
    """The kind of layer as the legend calls it ("2D conv", "context gate"), with its own colour."""
    label: str
    detail: str = ""
    size: str = ""
    """Of the tensor that it hands on, where that is worth saying, as `tensor_size` writes it; shown
    beside the arrows that leave the box."""


class Edge(Value):
    """An arrow between two boxes."""

    source: str
    target: str
    weight: float = 1.0
    """Fixed or learned, from 0 (nothing passes) to 1; a lower weight is drawn fainter."""
    marked: bool = False
    """Drawn in the colour of the frames, likewise."""


class Diagram(Value):
    """Columns from left to right, each with a title and stacked boxes, and arrows between boxes."""

    title: str
    columns: tuple[str, ...]
    """Titles; a column without one has no panel behind its boxes."""
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...] = ()
    note: str = ""
    """A sentence below the legend."""
    neutral_weight: float = 0.5
    """The weight of an edge that is neither strong nor weak, where colour scales change sides."""
    weights_note: str = ""
    """What mutations do with strong and with weak edges, in one sentence."""

    @property
    def has_weights(self) -> bool:
        """Whether edges have weights between 0 and 1; 0 and 1 alone say what is connected."""
        return any(0 < edge.weight < 1 for edge in self.edges)

    def weighted(self, connection_weights: Mapping[str, float]) -> Diagram:
        """Return the same diagram, where the edges named `source->target` have these weights."""
        edges = []
        for edge in self.edges:
            weight = connection_weights.get(f"{edge.source}->{edge.target}", edge.weight)
            edges.append(edge.model_copy(update={"weight": weight}))
        return self.model_copy(update={"edges": tuple(edges)})
