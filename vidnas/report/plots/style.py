"""What all plots have in common: colours, axes, and texts that are shown as they are.

Colours are those of things; ink, paper and grid are the page's, which knows whether it is dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from markupsafe import escape
from plotly.colors import sample_colorscale

from vidnas.core.quantities import format_evaluation, format_metric
from vidnas.core.text import escaped
from vidnas.evolution.trial import Trial
from vidnas.report.study import StudyReport

GREY, BLUE, ORANGE, RED = "#8b94a3", "#3d7fc1", "#d9822b", "#c9403a"
RING = {"color": "rgba(128, 128, 128, 0.7)", "width": 1}
"""Keeps the lightest and the darkest marker apart from either paper."""
_RUNGS = [[0.0, "rgb(143, 190, 230)"], [0.5, "rgb(61, 127, 193)"], [1.0, "rgb(126, 60, 172)"]]
_DIGITS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
_FEWEST_TICKS, _MOST_TICKS = 4, 9


def styled(figure: go.Figure, *, height: int) -> go.Figure:
    """Give a figure its height, its margins and its legend."""
    figure.update_layout(
        template=None, height=height, margin={"l": 64, "r": 16, "t": 34, "b": 52},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        hoverlabel={"align": "left"}, hovermode="closest",
    )  # fmt: skip
    axes = {"zeroline": False, "automargin": True, "title_standoff": 12, "title_font_size": 13}
    figure.update_xaxes(**axes)
    figure.update_yaxes(**axes)
    return figure


def label(text: str) -> str:
    """Return text that Plotly shows as it is, although it reads HTML in every label."""
    return str(escape(escaped(text)))


def hover(trial: Trial) -> str:
    """Return what is shown of a candidate that is pointed at."""
    proposal = trial.proposal
    origin = "design" if proposal.design else "random"
    origin = origin if proposal.parent is None else f"child of {proposal.parent}"
    lines = [format_evaluation(trial.evaluation), origin, *proposal.mutations]
    return "<br>".join([f"<b>trial {trial.number}</b> on rung {trial.rung}", *map(label, lines)])


def candidates(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what a trace of candidates says of each, and what the page opens on a click."""
    return {
        "text": [hover(one) for one in trials],
        "hovertemplate": "%{text}<extra></extra>",
        "customdata": [one.number for one in trials],
    }


def rung_colours(report: StudyReport) -> list[str]:
    """Return a colour for each rung that a candidate reached, the darker the higher."""
    rungs = 1 + max((trial.rung for trial in report.history), default=0)
    colours: list[str] = sample_colorscale(
        _RUNGS, [rung / max(rungs - 1, 1) for rung in range(rungs)]
    )
    return colours


def share_axis(metric: str, shares: Sequence[float]) -> dict[str, Any]:
    """Return the axis of a validation metric: within 0 and 100 %, whatever the metric."""
    names = {"top1": "accuracy", "mean_class": "mean class accuracy"}
    low, high = min(shares, default=0.0), max(shares, default=1.0)
    margin = max(0.08 * (high - low), 0.02)
    # A little above 100 %, so that a marker there is whole; no tick is.
    span = [max(low - margin, -0.02), min(high + margin, 1.02)]
    ticks = [tick for tick in linear_ticks(*span) if 0 <= tick <= 1]
    return {
        "title": f"Validation {names.get(metric, format_metric(metric))}",
        "tickformat": ".0%" if len({round(tick, 2) for tick in ticks}) == len(ticks) else ".1%",
        "range": span,
        "tickvals": ticks,
    }


def cost_axis(costs: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis with several ticks, however near the costs are to each other."""
    positive = [cost for cost in costs if cost > 0] or [1.0]
    low, high = min(positive) / 1.15, max(positive) * 1.15
    ticks = _log_ticks(low, high)
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickmode": "array",
        "tickvals": ticks,
    }


def linear_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers from one to the other."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(digit for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first = math.ceil(low / step)
    return [round(place * step, 10) for place in range(first, math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in _DIGITS:
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        within = [float(f"{tick:.3g}") for tick in ticks if low <= tick <= high]
        if len(within) >= _FEWEST_TICKS:
            return within[:: math.ceil(len(within) / _MOST_TICKS)]
    return linear_ticks(low, high)
