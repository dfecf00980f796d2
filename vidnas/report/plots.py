"""The plots of a study: accuracy against cost, progress, edge weights, the confusion matrix."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape
from itertools import accumulate

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vidnas.evolution.trial import Trial
from vidnas.report.study import StudyReport
from vidnas.training import Metrics

_INK, _QUIET, _LINE, _GREY = "#1d2430", "#5b6472", "#e4e7ec", "#a3abb8"
_BLUE, _ORANGE, _RED = "#2f6fb0", "#d9822b", "#b3261e"
_BLUES = ((0.0, "#ffffff"), (0.5, "#7fb0dc"), (1.0, "#1f5a96"))
_ORANGE_TO_BLUE = ((0.0, "#d9822b"), (0.5, "#e1e5ea"), (1.0, "#1f5a96"))
_MOST_LABELLED_CLASSES = 40
_MOST_WRITTEN_TRIALS = 12
_LOG_TICKS = [digit * 10.0**power for power in range(-2, 12) for digit in (1, 2, 5)]


def cost_of(trial: Trial, *, by_latency: bool) -> float | None:
    """Latency in milliseconds, or multiply-adds; None where it was not found out."""
    cost = trial.evaluation.cost
    if cost is None:
        return None
    if by_latency:
        return cost.latency.p50_ms if cost.latency else None
    return cost.macs


def accuracy_against_cost(report: StudyReport) -> go.Figure:
    """Every candidate by its cost; those refused for it in a strip below, the limit as a line."""
    ok = report.of_status("ok")
    by_latency = any(cost_of(one, by_latency=True) is not None for one in ok)
    limit = report.limits.latency_ms if by_latency else report.limits.macs
    trained = [one for one in ok if cost_of(one, by_latency=by_latency) is not None]
    refused = [
        one
        for one in report.of_status("rejected")
        if cost_of(one, by_latency=by_latency) is not None
    ]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.87, 0.13], vertical_spacing=0.03
    )
    front = _front(trained, by_latency)
    figure.add_scatter(
        x=[cost_of(one, by_latency=by_latency) for one in front],
        y=[one.fitness for one in front],
        mode="lines", line={"color": _BLUE, "width": 1.5, "shape": "hv"}, opacity=0.5,
        name="best at its cost", hoverinfo="skip", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=[cost_of(one, by_latency=by_latency) for one in trained],
        y=[one.fitness for one in trained],
        mode="markers", marker={"color": _BLUE, "size": 9, "opacity": 0.7},
        name="candidate", text=[_hover(one) for one in trained],
        hovertemplate="%{text}<extra></extra>", row=1, col=1,
    )  # fmt: skip
    chosen = [one for one in trained if report.winner and one.number == report.winner.number]
    figure.add_scatter(
        x=[cost_of(one, by_latency=by_latency) for one in chosen],
        y=[one.fitness for one in chosen],
        mode="markers", marker={"color": _ORANGE, "size": 17, "symbol": "star"},
        name="chosen", text=[_hover(one) for one in chosen],
        hovertemplate="%{text}<extra></extra>", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=[cost_of(one, by_latency=by_latency) for one in refused],
        y=[0.0] * len(refused),
        mode="markers",
        marker={"color": _GREY, "size": 13, "symbol": "line-ns-open", "line": {"width": 1.5}},
        name="refused, not trained", text=[_hover(one) for one in refused],
        hovertemplate="%{text}<extra></extra>", row=2, col=1,
    )  # fmt: skip
    if limit is not None:
        figure.add_vline(x=limit, line={"color": _RED, "width": 1.5, "dash": "dash"})
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name="limit",
            line={"color": _RED, "width": 1.5, "dash": "dash"}, row=1, col=1,
        )  # fmt: skip
    title = "Latency, ms (logarithmic)" if by_latency else "Multiply-adds (logarithmic)"
    figure.update_xaxes(type="log", tickmode="array", tickvals=_LOG_TICKS)
    figure.update_xaxes(tickformat="~g" if by_latency else "~s")
    figure.update_xaxes(title=title, row=2, col=1)
    figure.update_yaxes(**_fitness_axis(ok), row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True, row=2, col=1)
    return _dressed(figure, height=470)


def progress(report: StudyReport) -> go.Figure:
    """Each trained candidate and the best so far, by evaluations and by minutes."""
    ok = report.of_status("ok")
    fitness = [one.fitness for one in ok]
    best = list(accumulate(fitness, max))
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    clocks = (
        ("Candidates trained", list(range(1, len(ok) + 1))),
        ("Minutes", [one.elapsed_s / 60 for one in ok]),
    )
    for column, (title, clock) in enumerate(clocks, start=1):
        figure.add_scatter(
            x=clock, y=fitness, mode="markers", name="candidate",
            marker={"color": _BLUE, "size": 7, "opacity": 0.5}, text=[_hover(one) for one in ok],
            hovertemplate="%{text}<extra></extra>", showlegend=column == 1, row=1, col=column,
        )  # fmt: skip
        figure.add_scatter(
            x=clock, y=best, mode="lines", name="best so far", hoverinfo="skip",
            line={"color": _ORANGE, "width": 2.5, "shape": "hv"},
            showlegend=column == 1, row=1, col=column,
        )  # fmt: skip
        figure.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
    figure.update_yaxes(**_fitness_axis(ok), row=1, col=1)
    figure.update_yaxes(tickformat=_fitness_axis(ok)["tickformat"], row=1, col=2)
    return _dressed(figure, height=360)


def confusion(metrics: Metrics, classes: Sequence[str]) -> go.Figure:
    """Clips of each true class by what they were taken for; colour is the share of the class."""
    counts = metrics.confusion
    names = [escape(name) for name in classes]
    labelled = len(names) <= _MOST_LABELLED_CLASSES
    figure = go.Figure(
        go.Heatmap(
            z=[[count / max(sum(row), 1) for count in row] for row in counts],
            text=[[str(count) if count else "" for count in row] for row in counts],
            customdata=[[[true, taken] for taken in names] for true in names],
            colorscale=_BLUES, zmin=0, zmax=1, showscale=False, xgap=2, ygap=2,
            texttemplate="%{text}" if labelled else None,
            hovertemplate="%{z:.0%} of <b>%{customdata[0]}</b><br>"
            "taken for <b>%{customdata[1]}</b><extra></extra>",
        )
    )  # fmt: skip
    # Positions with names as tick texts: two classes of one name stay two rows.
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": names}
    figure.update_xaxes(title="Taken for", tickangle=-40, showgrid=False, **ticks)
    figure.update_yaxes(title="True class", autorange="reversed", showgrid=False, **ticks)
    cell_px = 34 if labelled else 10
    return _dressed(figure, height=max(340, min(cell_px * len(names) + 170, 1100)))


def edge_weights(line: Sequence[Trial]) -> go.Figure:
    """The learned weight of each edge (row) in each trial of a lineage (column)."""
    learned = [one.evaluation.connection_weights for one in line]
    edges = sorted({edge for weights in learned for edge in weights}, key=_numbers_by_value)
    edges.sort(key=lambda edge: next(at for at, weights in enumerate(learned) if edge in weights))
    names = [escape(edge) for edge in edges]
    ends = [[escape(end) for end in edge.partition("->")[::2]] for edge in edges]
    figure = go.Figure(
        go.Heatmap(
            z=[[weights.get(edge) for weights in learned] for edge in edges],
            customdata=[[[*pair, one.number] for one in line] for pair in ends],
            colorscale=_ORANGE_TO_BLUE, zmin=0, zmax=1, xgap=2, ygap=1, hoverongaps=False,
            colorbar={"title": {"text": "Weight", "side": "top"}, "thickness": 12,
                      "len": 200, "lenmode": "pixels", "y": 1, "yanchor": "top"},
            texttemplate="%{z:.2f}" if len(line) <= _MOST_WRITTEN_TRIALS else None,
            textfont={"size": 10},
            hovertemplate="from <b>%{customdata[0]}</b> to <b>%{customdata[1]}</b><br>"
            "weight %{z:.3f} in trial %{customdata[2]}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(
        title="Trial, the random start first", side="top", showgrid=False,
        tickmode="array", tickvals=list(range(len(line))),
        ticktext=[str(one.number) for one in line],
    )  # fmt: skip
    figure.update_yaxes(
        title="Edge", autorange="reversed", showgrid=False,
        tickmode="array", tickvals=list(range(len(names))), ticktext=names, tickfont={"size": 11},
    )  # fmt: skip
    return _dressed(figure, height=max(260, 17 * len(edges) + 100))


def _numbers_by_value(name: str) -> list[tuple[str, int]]:
    """Sort key by which b9 comes before b10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _front(trained: Sequence[Trial], by_latency: bool) -> list[Trial]:
    """Those that no cheaper candidate equals, by rising cost."""
    front: list[Trial] = []
    for one in sorted(
        trained,
        key=lambda one: (cost_of(one, by_latency=by_latency), -one.fitness),
    ):
        if not front or one.fitness > front[-1].fitness:
            front.append(one)
    return front


def _hover(trial: Trial) -> str:
    evaluation = trial.evaluation
    lines = [f"<b>trial {trial.number}</b>"]
    if evaluation.fitness is not None:
        lines[0] += f": {evaluation.fitness:.4g}"
    if (top1 := evaluation.metrics.get("top1")) is not None:
        lines.append(f"{top1:.1%} top-1")
    if evaluation.cost and evaluation.cost.latency:
        lines.append(f"{evaluation.cost.latency.p50_ms:.3g} ms")
    if evaluation.reason:
        lines.append(escape(evaluation.reason))
    parent = trial.proposal.parent
    origin = f"child of {parent}" if parent is not None else "random start"
    return "<br>".join([*lines, origin, *map(escape, trial.proposal.mutations)])


def _fitness_axis(ok: Sequence[Trial]) -> dict[str, str]:
    """Fitness is whatever the evaluator says; the built-in one sums what the family names."""
    if _is_sum(ok, "likelihood"):
        return {"title": "Probability of the right class, brief training", "tickformat": ".0%"}
    if _is_sum(ok, "top1"):
        return {"title": "Validation accuracy, brief training", "tickformat": ".0%"}
    if _is_sum(ok, "top1", "top5"):
        return {"title": "Validation top-1 + top-5, brief training", "tickformat": ".2f"}
    return {"title": "Fitness", "tickformat": ""}


def _is_sum(ok: Sequence[Trial], *names: str) -> bool:
    return all(
        one.fitness == sum(one.evaluation.metrics.get(name, math.nan) for name in names)
        for one in ok
    )


def _dressed(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        template="none", height=height, paper_bgcolor="#fff", plot_bgcolor="#fff",
        font={"family": "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", "size": 13,
              "color": _INK},
        margin={"l": 64, "r": 16, "t": 34, "b": 52},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom",
                "font": {"color": _QUIET}},
        hoverlabel={"bgcolor": "#fff", "bordercolor": _LINE, "align": "left"},
    )  # fmt: skip
    figure.update_xaxes(
        gridcolor=_LINE, zeroline=False, automargin=True, title_standoff=12, title_font_size=13
    )
    figure.update_yaxes(
        gridcolor=_LINE, zeroline=False, automargin=True, title_standoff=12, title_font_size=13
    )
    return figure
