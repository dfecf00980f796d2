"""Graphs whose arrows skip levels: routes that dodge boxes, learned weights, greyed nodes."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections import defaultdict

import numpy as np
import pytest

from vidnas.core import Box, Cost, Diagram, Edge, Evaluation
from vidnas.deploy import ModelCard
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import diagram_of, families, find_architecture
from vidnas.report import plots
from vidnas.report.drawing import draw_svg
from vidnas.report.layout import lay_out
from vidnas.report.page import render
from vidnas.report.palette import UNUSED, shade
from vidnas.report.study import StudyReport

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<img src=x onerror=alert(1)>"


def diagrams() -> dict[str, Diagram]:
    published = [f"assemblenet_{name}" for name in ("50", "plus_50_object", "plus_lite")]
    found = {name: diagram_of(find_architecture(name)) for name in published}
    rng = np.random.default_rng(0)
    for family in ("assemblenet", "tinystreams"):
        build = families()[family].space
        assert build is not None
        space = build(max_size_px=64, max_frames=8, modalities=("rgb",))
        found |= {f"{family} {index}": diagram_of(space.random(rng)) for index in range(4)}
    return found


DIAGRAMS = diagrams()


def chain(*weights: float, unused: bool = False) -> Diagram:
    """Boxes in a row, joined by edges of these weights."""
    boxes = tuple(
        Box(name=str(index), column=index, unused=unused, kind="node", label=f"node {index}")
        for index in range(len(weights) + 1)
    )
    edges = tuple(
        Edge(source=str(index), target=str(index + 1), weight=weight)
        for index, weight in enumerate(weights)
    )
    return Diagram(title="chain", columns=("",) * len(boxes), boxes=boxes, edges=edges)


def strokes(svg: str) -> list[tuple[str, float]]:
    """Colour and width of each arrow."""
    lines = [path for path in ET.fromstring(svg).iter(f"{SVG}path") if path.get("fill") == "none"]
    return [(path.get("stroke") or "", float(path.get("stroke-width") or 0)) for path in lines]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_arrow_runs_over_a_box(name: str) -> None:
    layout = lay_out(DIAGRAMS[name])
    assert len(layout.routes) == len(DIAGRAMS[name].edges)
    for route in layout.routes:
        for (left, y0), (right, y1) in itertools.pairwise(route.points):
            # Every piece is level within a column, or bends within a gutter.
            crossed = [box for box in layout.boxes if box.x < right and left < box.x + box.width]
            assert y0 == y1 or not crossed
            assert not [box for box in crossed if box.y < y0 < box.y + box.height]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_arrows_keep_apart_where_they_share_a_way(name: str) -> None:
    layout = lay_out(DIAGRAMS[name])
    bars = [box for box in layout.boxes if box.box.upright]
    heights = defaultdict(list)
    for route in layout.routes:
        for x, y in route.points:
            if not any(bar.x <= x <= bar.x + bar.width for bar in bars):
                heights[x].append(y)
    for ys in heights.values():
        assert all(lower - upper > 4.9 for upper, lower in itertools.pairwise(sorted(ys)))


def test_strong_edges_are_darker_and_lie_on_top() -> None:
    svg = draw_svg(chain(0.9, 0.03, 0.5))
    assert strokes(svg) == [
        (shade(0.03), pytest.approx(0.93, abs=0.01)),
        (shade(0.5), pytest.approx(1.45)),
        (shade(0.9), pytest.approx(1.89)),
    ]
    greys = [int(colour[1:3], 16) for colour, _ in strokes(svg)]
    assert greys == sorted(greys, reverse=True) and greys[0] < 210
    assert (shade(-1), shade(1), shade(2)) == (shade(0), "#000000", "#000000")
    assert "edge weight 0" in svg
    assert " id=" not in svg, "a page holds many drawings, and one name once"


def test_without_weights_nothing_speaks_of_them() -> None:
    for weights in ((1.0, 1.0), (1.0, 0.0)):
        svg = draw_svg(chain(*weights))
        assert "edge weight" not in svg
        assert {colour for colour, _ in strokes(svg)} == {"#475063"}


def test_arrows_lie_under_boxes() -> None:
    svg = draw_svg(DIAGRAMS["assemblenet_50"])
    assert svg.rindex('fill="none"') < svg.index('rx="7"')


def test_every_edge_of_a_published_graph_has_its_weight() -> None:
    diagram = DIAGRAMS["assemblenet_50"]
    drawn = strokes(draw_svg(diagram))
    assert [colour for colour, _ in drawn] == [
        shade(weight) for weight in sorted(edge.weight for edge in diagram.edges)
    ]
    weighted = diagram.weighted({"0->5": 0.25})
    assert (shade(0.25), pytest.approx(1.175, abs=0.01)) in strokes(draw_svg(weighted))


def leads_to(end: str, diagram: Diagram) -> set[str]:
    """Names of the boxes from which a path leads to this one."""
    found = {end}
    while more := {e.source for e in diagram.edges if e.target in found} - found:
        found |= more
    return found


def test_boxes_that_lead_nowhere_are_unused() -> None:
    unreached = 0
    for diagram in DIAGRAMS.values():
        unused = {box.name for box in diagram.boxes if box.unused}
        assert {box.name for box in diagram.boxes} - leads_to("classifier", diagram) == unused
        unreached += len(unused)
    assert unreached


def test_unused_boxes_are_greyed() -> None:
    greyed, plain = draw_svg(chain(1.0, unused=True)), draw_svg(chain(1.0))
    assert greyed.count("stroke-dasharray") == 2 and "stroke-dasharray" not in plain
    assert greyed.count(f'fill="{UNUSED}"') == 5 and UNUSED not in plain  # two boxes, the legend
    ink = re.compile(r'fill="(#\w+)" text-anchor="start" font-weight="600">node 0')
    assert ink.findall(greyed) != ink.findall(plain)


def test_a_crowded_box_is_high_enough_for_its_arrows() -> None:
    sources = [Box(name=str(i), column=0, kind="k", label=str(i)) for i in range(14)]
    target = Box(name="t", column=1, kind="k", label="t")
    edges = tuple(Edge(source=box.name, target="t") for box in sources)
    layout = lay_out(Diagram(title="", columns=("a", "b"), boxes=(*sources, target), edges=edges))
    ends = sorted(route.points[-1][1] for route in layout.routes)
    placed = layout.boxes[-1]
    assert placed.y < ends[0] and ends[-1] < placed.y + placed.height
    assert all(lower - upper >= 8 for upper, lower in itertools.pairwise(ends))


COST = Cost(parameters=1, macs=1, activation_bytes=1)
LEARNED = [
    {"0->b4": 0.7, "1->b4": 0.2, "b4->b10": 0.6, "b4->b9": 1.0},
    {"0->b4": 0.8, "2->b4": 0.4, "b4->b10": 0.55, "b4->b9": 1.0},
    {"0->b4": 0.9, "1->b4": 0.3, f"0->{EVIL}": 0.5},
]


def study(weights: list[dict[str, float]]) -> StudyReport:
    """Trials 0, 10, 20..., each the child of the one before; the last is the best."""
    trials = [
        Trial(
            10 * index,
            Proposal(find_architecture("assemblenet_50"), 10 * (index - 1) if index else None, ()),
            Evaluation(status="ok", fitness=0.1 * index, cost=COST, connection_weights=learned),
            float(index),
        )
        for index, learned in enumerate(weights)
    ]
    return StudyReport(title="t", folder="f", history=trials, classes=("a", "b"))


def test_the_heat_map_has_a_row_per_edge_and_a_column_per_trial() -> None:
    report = study(LEARNED)
    figure = plots.edge_weights(report.lineage(20), 0.25)
    heat = figure.data[0]
    assert list(figure.layout.xaxis.ticktext) == ["0", "10", "20"]
    rows = dict(zip(figure.layout.yaxis.ticktext, heat.z, strict=True))
    escaped = EVIL.replace("<", "&lt;").replace(">", "&gt;")
    # By first appearance, then by name, numbers by their value.
    assert list(rows) == [
        "0-&gt;b4", "1-&gt;b4", "b4-&gt;b9", "b4-&gt;b10", "2-&gt;b4", f"0-&gt;{escaped}"
    ]  # fmt: skip
    assert list(rows["0-&gt;b4"]) == [0.7, 0.8, 0.9]
    assert list(rows["1-&gt;b4"]) == [0.2, None, 0.3]
    assert list(rows["2-&gt;b4"]) == [None, 0.4, None]
    assert list(heat.customdata[-1][2]) == ["0", escaped, 20]
    assert not heat.hoverongaps and (heat.zmin, heat.zmax) == (0, 1)
    assert heat.colorscale[1][0] == 0.25  # the neutral weight is in the middle of the colours


def test_the_heat_map_grows_with_its_rows() -> None:
    many = {f"{source}->b{target}": 0.5 for source in range(10) for target in range(10, 16)}
    figure = plots.edge_weights(study([many, many]).lineage(10), 0.5)
    assert len(figure.data[0].z) == 60
    margins = figure.layout.margin.t + figure.layout.margin.b
    assert (figure.layout.height - margins) / 60 >= 15


def test_the_page_follows_the_edge_weights_of_the_lineage() -> None:
    html = render(study(LEARNED))
    assert "How the edge weights moved" in html and '"plot-weights"' in html
    assert "Blue is above\n  0.5, orange below." in html
    assert "By default, guided mutation redraws the weakest tenth of the edges" in html
    assert EVIL not in html


@pytest.mark.parametrize("weights", [[{}, {}], [{"0->5": 0.5}], [{}]])
def test_without_weights_of_ancestors_nothing_moved(weights) -> None:
    html = render(study(weights))
    assert "How the edge weights moved" not in html and "plot-weights" not in html


@pytest.mark.parametrize("finished", [False, True])
def test_the_network_is_drawn_with_the_weights_of_its_trial(finished: bool) -> None:
    report = study([{"0->5": 0.5}, {"8->12": 0.123}])
    if finished:
        first = report.trials[0]
        winner = ModelCard(trial=first.number, cost=COST)
        report = StudyReport(
            title="t", folder="f", history=report.history, classes=("a", "b"), winner=winner
        )
    svg = re.findall(r'<div class="drawing".*?(<svg .*?</svg>)', render(report), re.S)[0]
    plain = diagram_of(find_architecture("assemblenet_50"))
    learned = {"0->5": 0.5} if finished else {"8->12": 0.123}
    assert strokes(svg) == strokes(draw_svg(plain.weighted(learned)))
    assert strokes(svg) != strokes(draw_svg(plain))
