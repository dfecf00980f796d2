"""Training curves: what every candidate had learned where it paused, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from vidnas.evolution.trial import Trial
from vidnas.report.plots.cost import share, shows_shares
from vidnas.report.plots.style import (
    GREY,
    ORANGE,
    RING,
    cost_axis,
    hover,
    rung_colours,
    share_axis,
    styled,
)
from vidnas.report.study import StudyReport


def curves(report: StudyReport) -> go.Figure | None:
    """Plot what every candidate had reached on each rung by the epochs that it was trained for.

    A dot is where it paused; where it went on a line does, dotted through the cool-down of those
    that were finished. Return None where the epochs or the metric are not recorded.
    """
    climbs: dict[int, list[Trial]] = {}
    for trial in report.history:
        if trial.evaluation.status == "ok" and trial.evaluation.metrics.get("epochs"):
            climbs.setdefault(trial.number, []).append(trial)
    if not climbs or not shows_shares(report):
        return None
    figure = go.Figure()

    def add(name: str, shown: Sequence[Trial | None], **style: Any) -> None:
        figure.add_scatter(
            x=[one and _epochs(one) for one in shown], y=[one and share(one) for one in shown],
            name=name, **style,
        )  # fmt: skip

    lines = [
        one
        for number, own in climbs.items()
        if number not in report.answers
        for one in (*own, None)
    ]
    add("goes on", lines, mode="lines", hoverinfo="skip", line={"color": GREY, "width": 1.2})
    chosen = [one for number in report.answers for one in (*climbs.get(number, []), None)]
    add("chosen", chosen, mode="lines", hoverinfo="skip", line={"color": ORANGE, "width": 2.5})
    for rung, colour in enumerate(rung_colours(report)):
        there = [one for own in climbs.values() for one in own if one.rung == rung]
        add(
            f"pauses on rung {rung}", there, mode="markers", text=[hover(one) for one in there],
            customdata=[one.number for one in there], hovertemplate="%{text}<extra></extra>",
            marker={"color": colour, "size": 8, "line": RING},
        )  # fmt: skip
    ends = [
        (climbs[card.trial][-1], card.epochs, card.validation.headline_share)
        for card in report.singles
        if card.trial in climbs and card.epochs and card.validation
    ]
    dotted = [pair for one, x, y in ends for pair in ((_epochs(one), share(one)), (x, y), _GAP)]
    figure.add_scatter(
        x=[x for x, _ in dotted], y=[y for _, y in dotted], mode="lines", hoverinfo="skip",
        line={"color": ORANGE, "width": 1.2, "dash": "dot"}, name="cool-down",
        showlegend=bool(dotted),
    )  # fmt: skip
    figure.add_scatter(
        x=[x for _, x, _ in ends], y=[y for _, _, y in ends], mode="markers", name="finished",
        marker={"color": ORANGE, "size": 10, "symbol": "diamond", "line": RING},
        customdata=[one.number for one, _, _ in ends], showlegend=bool(ends),
        text=[f"{hover(one)}<br><b>finished: {y:.1%} validation</b>" for one, _, y in ends],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    shown = [one for own in climbs.values() for one in own]
    figure.update_xaxes(
        title="Epochs of training (logarithmic)", tickformat="~g",
        **cost_axis([*map(_epochs, shown), *(x for _, x, _ in ends)]),
    )  # fmt: skip
    shares = [*map(share, shown), *(y for _, _, y in ends)]
    figure.update_yaxes(**share_axis(report.headline, shares))
    return styled(figure, height=420)


_GAP = (None, None)


def _epochs(trial: Trial) -> float:
    return trial.evaluation.metrics["epochs"]
