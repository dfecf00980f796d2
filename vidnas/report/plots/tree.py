"""The family tree: every candidate beside its parent, those that were rejected or failed too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from vidnas.evolution.trial import Trial
from vidnas.report.plots.style import (
    GREY,
    ORANGE,
    RED,
    RING,
    candidates,
    rung_colours,
    styled,
)
from vidnas.report.study import StudyReport

_ROW_PX, _LEAST_PX, _MOST_PX = 16, 260, 1000


def family_tree(report: StudyReport) -> go.Figure:
    """Plot generations from left to right: a line joins a child to its parent, an orange one those
    that lead to the answer."""
    rows, depths = places(report.trials)
    answers = report.answers or ((report.shown[1],) if report.shown else ())
    line = {one.number for answer in answers for one in report.lineage(answer)}
    figure = go.Figure()

    def join(name: str, children: Sequence[Trial], **style: Any) -> None:
        pairs = [(one.proposal.parent, one.number) for one in children]
        x, y = [], []
        for parent, child in pairs:
            if parent in depths:
                x += [depths[parent], depths[parent] + 0.5, depths[child], None]
                y += [rows[parent], rows[child], rows[child], None]
        figure.add_scatter(
            x=x, y=y, mode="lines", name=name, hoverinfo="skip", line=style,
            showlegend=name == "leads to the answer" and bool(x),
        )  # fmt: skip

    children = [one for one in report.trials if one.proposal.parent is not None]
    join("child", [one for one in children if one.number not in line], color=GREY, width=1)
    own = [one for one in children if one.number in line]
    join("leads to the answer", own, color=ORANGE, width=2.5)

    def add(name: str, shown: Sequence[Trial], **marker: Any) -> None:
        if shown:
            figure.add_scatter(
                x=[depths[one.number] for one in shown], y=[rows[one.number] for one in shown],
                mode="markers", name=name, marker=marker, **candidates(shown),
            )  # fmt: skip

    add("rejected", report.of_status("rejected"), symbol="x-thin-open", size=7, color=GREY)
    add("failed", report.of_status("failed"), symbol="x", size=8, color=RED)
    ok = report.of_status("ok")
    for rung, colour in enumerate(rung_colours(report)):
        there = [one for one in ok if one.rung == rung]
        add(f"reached rung {rung}", there, color=colour, size=8 + 2 * rung, line=RING)
    chosen = [report.by_number[answer] for answer in answers if answer in report.by_number]
    add("the answer" if report.winner else "the best so far", chosen, color=ORANGE, size=17,
        symbol="star", line=RING)  # fmt: skip
    deepest = max(depths.values(), default=0)
    figure.update_xaxes(
        title="Generation", dtick=max(1, deepest // 12), showgrid=False,
        range=[-0.3, deepest + 0.3],
    )  # fmt: skip
    figure.update_yaxes(visible=False, autorange="reversed")
    leaves = len({*rows.values()})
    return styled(figure, height=min(max(_ROW_PX * leaves + 90, _LEAST_PX), _MOST_PX))


def places(trials: Sequence[Trial]) -> tuple[dict[int, float], dict[int, int]]:
    """Return the row of every candidate, a parent's in the middle of its children's, and its
    generation."""
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    depths: dict[int, int] = {}
    for one in trials:  # parents come before children
        parent = one.proposal.parent if one.proposal.parent in depths else None
        children[parent].append(one.number)
        depths[one.number] = 0 if parent is None else depths[parent] + 1
    # Without recursion: a line may be thousands long. The leaves are numbered from the top.
    rows: dict[int, float] = {}
    stack, order = children[None][::-1], []
    while stack:
        number = stack.pop()
        order.append(number)
        if number not in children:
            rows[number] = float(len(rows))
        stack += children.get(number, [])[::-1]
    for number in reversed(order):
        if number in children:
            own = [rows[child] for child in children[number]]
            rows[number] = (min(own) + max(own)) / 2
    return rows, depths
