"""Parallel branches between bars, as the figures of the EvaNet paper show them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from vidnas.core import Box, Diagram, Edge
from vidnas.families import diagram_of, find_architecture
from vidnas.families.evanet.space import inception_space, space
from vidnas.report.drawing import draw_svg
from vidnas.report.layout import Layout, lay_out


def diagrams() -> dict[str, Diagram]:
    rng = np.random.default_rng(0)
    searched = {
        f"{name} {index}": diagram_of(build(max_size_px=112, max_frames=32).random(rng))
        for name, build in (("resnet", space), ("inception", inception_space))
        for index in range(4)
    }
    published = {name: diagram_of(find_architecture(name)) for name in ("evanet_a", "evanet_b")}
    return {**published, **searched}


DIAGRAMS = diagrams()


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    return [
        (one.box.name, other.box.name)
        for index, one in enumerate(layout.boxes)
        for other in layout.boxes[index + 1 :]
        if one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    ]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_branches_lie_between_the_bars_that_join_them(name: str) -> None:
    diagram = DIAGRAMS[name]
    layout = lay_out(diagram)
    placed = {box.box.name: box for box in layout.boxes}
    assert not overlapping(layout)
    for route, edge in zip(sorted_routes(layout), sorted_edges(diagram, layout), strict=True):
        (x0, y0), (x1, y1) = route
        assert x0 < x1 and y0 == y1, "an arrow is not straight"
        source, target = placed[edge.source], placed[edge.target]
        assert source.x + source.width == x0 and target.x == x1
        assert source.y < y0 < source.y + source.height
        assert target.y < y1 < target.y + target.height
    bars = [box for box in layout.boxes if box.box.upright]
    assert len({(bar.y, bar.height) for bar in bars}) == 1
    assert draw_svg(diagram).count("rotate(-90)") == len(bars) + len(layout.sizes)


def sorted_routes(layout: Layout) -> list[tuple[tuple[float, float], ...]]:
    return sorted(route.points for route in layout.routes)


def sorted_edges(diagram: Diagram, layout: Layout) -> list[Edge]:
    placed = {box.box.name: box for box in layout.boxes}

    def start(edge: Edge) -> tuple[float, float]:
        source, target = placed[edge.source], placed[edge.target]
        thin = target if source.box.upright else source
        return source.x + source.width, thin.middle

    return sorted(diagram.edges, key=start)


def test_a_genome_is_drawn_as_it_is_known() -> None:
    diagram = diagram_of(find_architecture("evanet_b"))
    branches = [
        [
            " ".join(filter(None, (box.label, box.detail)))
            for box in diagram.boxes
            if box.column == column and not box.upright
        ]
        for column, title in enumerate(diagram.columns)
        if title
    ]
    assert branches[0] == [
        "max-pool t = 1", "max-pool t = 3", "iTGM t = 1", "(2+1)D t = 9", "max-pool t = 1", "1x1"
    ]  # fmt: skip
    assert branches[2:] == [["max-pool t = 5", "1x1", "max-pool t = 9"],
                            ["(2+1)D t = 1", "max-pool t = 5"]]  # fmt: skip
    titles = [title.splitlines()[0] for title in diagram.columns if title]
    assert titles == ["stage 2, 2x", "stage 3, 3x", "stage 4, 5x", "stage 5, 4x"]
    bars = [box.label for box in diagram.boxes if box.upright]
    assert bars[:3] == ["rgb 64 x 224 px, stride 1", "(2+1)D 7x7, t = 3", "max-pool 3x3, t = 1"]
    assert bars.count("max-pool 2x2, t = 9") == 1
    assert diagram.note == "Convolutions of every second repeat have t = 1."


def test_every_branch_is_entered_and_left(name: str = "evanet_a") -> None:
    diagram = DIAGRAMS[name]
    upright = {box.name for box in diagram.boxes if box.upright}
    for box in diagram.boxes:
        entering = [edge.source for edge in diagram.edges if edge.target == box.name]
        leaving = [edge.target for edge in diagram.edges if edge.source == box.name]
        if box.name not in upright:
            assert len(entering) == len(leaving) == 1
    assert len([title for title in diagram.columns if title]) == 4


def test_a_row_stands_side_by_side_and_fills_its_column() -> None:
    boxes = (
        Box(name="a", column=0, lane=0, kind="k", label="one"),
        Box(name="b", column=0, lane=0, kind="k", label="two"),
        Box(name="c", column=0, lane=1, kind="k", label="a much longer label"),
    )
    layout = lay_out(Diagram(title="", columns=("column",), boxes=boxes))
    a, b, c = layout.boxes
    assert a.y == b.y and a.x + a.width < b.x
    assert a.x == c.x and b.x + b.width == pytest.approx(c.x + c.width)
    assert a.y + a.height < c.y


def test_columns_keep_their_order_and_do_not_touch() -> None:
    for diagram in DIAGRAMS.values():
        for left, right in pairwise(lay_out(diagram).columns):
            assert left.x + left.width < right.x


def test_a_note_is_written() -> None:
    diagram = Diagram(title="t", columns=("c",), boxes=(), note="A < B.")
    assert "A &lt; B." in draw_svg(diagram)
