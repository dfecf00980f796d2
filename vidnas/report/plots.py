"""The plots of a study: accuracy against cost, the ladder, edge weights, classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
from markupsafe import escape
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from vidnas.core.quantities import format_evaluation
from vidnas.evolution.trial import Trial
from vidnas.report.study import StudyReport
from vidnas.report.text import printable
from vidnas.training import Metrics, MultiLabelMetrics

_INK, _QUIET, _LINE, _GREY = "#1d2430", "#5b6472", "#e4e7ec", "#a3abb8"
_BLUE, _ORANGE, _RED = "#2f6fb0", "#d9822b", "#b3261e"
_BLUES = ((0.0, "#ffffff"), (0.5, "#7fb0dc"), (1.0, "#1f5a96"))
_RUNGS = [[0.0, "rgb(156, 198, 234)"], [0.5, "rgb(47, 111, 176)"], [1.0, "rgb(15, 44, 77)"]]
_MOST_LABELLED_CLASSES = 40
_MOST_WRITTEN_TRIALS = 12
_LOG_TICKS = [digit * 10.0**power for power in range(-2, 12) for digit in (1, 2, 5)]


def accuracy_against_cost(report: StudyReport) -> go.Figure:
    """Plot every candidate by its cost; the rejected ones in a strip below, the limit as a line."""
    ok = report.of_status("ok")
    by_latency = any(_latency_ms(one) is not None for one in ok)
    cost_of = _latency_ms if by_latency else _macs
    trained = _by_cost(ok, cost_of)
    rejected = _by_cost(report.of_status("rejected"), cost_of)
    chosen = [one for one in trained if report.winner and one[0].number == report.winner.trial]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.87, 0.13], vertical_spacing=0.03
    )

    def add(row: int, name: str, shown: Sequence[tuple[Trial, float]], **style: Any) -> None:
        figure.add_scatter(
            x=[cost for _, cost in shown],
            y=[trial.fitness if row == 1 else 0.0 for trial, _ in shown],
            text=[_hover(trial) for trial, _ in shown],
            hovertemplate="%{text}<extra></extra>", name=name, row=row, col=1, **style,
        )  # fmt: skip

    add(
        1, "best at its cost", _front(trained), mode="lines", opacity=0.5, hoverinfo="skip",
        line={"color": _BLUE, "width": 1.5, "shape": "hv"},
    )  # fmt: skip
    colours = _rung_colours(report)
    stands = {"color": [colours[one.rung] for one, _ in trained], "size": 9, "opacity": 0.8}
    add(1, "candidate", trained, mode="markers", marker=stands)
    star = {"color": _ORANGE, "size": 17, "symbol": "star"}
    add(1, "chosen", chosen, mode="markers", marker=star)
    bar = {"color": _GREY, "size": 13, "symbol": "line-ns-open", "line": {"width": 1.5}}
    add(2, "rejected, not trained", rejected, mode="markers", marker=bar)
    limit = report.limits.latency_ms if by_latency else report.limits.macs
    if limit is not None:
        dashed = {"color": _RED, "width": 1.5, "dash": "dash"}
        figure.add_vline(x=limit, line=dashed)
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name="limit", line=dashed, row=1, col=1
        )
    title = "Latency, ms (logarithmic)" if by_latency else "MACs (logarithmic)"
    figure.update_xaxes(type="log", tickmode="array", tickvals=_LOG_TICKS)
    figure.update_xaxes(tickformat="~g" if by_latency else "~s")
    figure.update_xaxes(title=title, row=2, col=1)
    figure.update_yaxes(**_fitness_axis(report), row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True, row=2, col=1)
    return _styled(figure, height=470)


def ladder(report: StudyReport) -> go.Figure:
    """Plot the fitness of every candidate on each of its rungs by search time: a line joins the
    rungs of one that climbed."""
    climbs: dict[int, list[Trial]] = {}
    for trial in report.history:
        if trial.evaluation.status == "ok":
            climbs.setdefault(trial.number, []).append(trial)
    answer = report.winner.trial if report.winner else None
    chosen = [] if answer is None else climbs.pop(answer, [])
    figure = go.Figure()

    def add(name: str, shown: Sequence[Trial | None], **style: Any) -> None:
        figure.add_scatter(
            x=[one and one.elapsed_s / 60 for one in shown],
            y=[one and one.fitness for one in shown],
            name=name, **style,
        )  # fmt: skip

    grey = {"color": _GREY, "width": 1.2, "shape": "hv"}
    orange = {"color": _ORANGE, "width": 2.5, "shape": "hv"}
    others = [one for climb in climbs.values() for one in (*climb, None)]  # None ends a line
    add("climbs", others, mode="lines", line=grey, hoverinfo="skip")
    add("chosen", chosen, mode="lines", line=orange, hoverinfo="skip")
    ok = [trial for trial in report.history if trial.evaluation.status == "ok"]
    for rung, colour in enumerate(_rung_colours(report)):
        there = [trial for trial in ok if trial.rung == rung]
        add(
            f"rung {rung}", there, mode="markers", marker={"color": colour, "size": 8},
            text=[_hover(one) for one in there], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    designs = [trial for trial in ok if trial.proposal.design]
    ring = {"color": _RED, "size": 14, "symbol": "diamond-open", "line": {"width": 1.5}}
    add("design", designs, mode="markers", marker=ring, hoverinfo="skip")
    figure.update_xaxes(title="Minutes of search", rangemode="tozero")
    figure.update_yaxes(**_fitness_axis(report))
    return _styled(figure, height=400)


def confusion(metrics: Metrics, classes: Sequence[str]) -> go.Figure:
    """Plot the clips of each true class by predicted class; colour is the share of the class."""
    counts = metrics.confusion
    names = [_label(name) for name in classes]
    labelled = len(names) <= _MOST_LABELLED_CLASSES
    figure = go.Figure(
        go.Heatmap(
            z=[[count / max(sum(row), 1) for count in row] for row in counts],
            text=[[str(count) if count else "" for count in row] for row in counts],
            customdata=[[[true, taken] for taken in names] for true in names],
            colorscale=_BLUES, zmin=0, zmax=1, showscale=False, xgap=2, ygap=2,
            texttemplate="%{text}" if labelled else None,
            hovertemplate="%{z:.0%} of <b>%{customdata[0]}</b><br>"
            "predicted as <b>%{customdata[1]}</b><extra></extra>",
        )
    )  # fmt: skip
    # Positions with names as tick texts: two classes of one name stay two rows.
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": names}
    figure.update_xaxes(title="Predicted class", tickangle=-40, showgrid=False, **ticks)
    figure.update_yaxes(title="True class", autorange="reversed", showgrid=False, **ticks)
    cell_px = 34 if labelled else 10
    return _styled(figure, height=max(340, min(cell_px * len(names) + 170, 1100)))


def precision(metrics: MultiLabelMetrics, classes: Sequence[str]) -> go.Figure:
    """Plot the average precision of each class, with a mark at the share of clips that show it."""
    names = [_label(name) for name in classes]
    places = list(range(len(names)))
    figure = go.Figure(
        go.Bar(
            x=metrics.average_precision, y=places, orientation="h", marker={"color": _BLUE},
            customdata=list(zip(names, metrics.positives, strict=True)), name="average precision",
            hovertemplate="<b>%{customdata[0]}</b><br>"
            "%{x:.1%}, %{customdata[1]} clips<extra></extra>",
        )
    )  # fmt: skip
    figure.add_scatter(
        x=[count / metrics.clips for count in metrics.positives], y=places, mode="markers",
        marker={"color": _ORANGE, "size": 12, "symbol": "line-ns-open", "line": {"width": 2}},
        name="guessing", hoverinfo="skip",
    )  # fmt: skip
    figure.update_xaxes(title="Average precision", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickmode="array", tickvals=places, ticktext=names
    )
    row_px = 26 if len(names) <= _MOST_LABELLED_CLASSES else 16
    return _styled(figure, height=max(260, row_px * len(names) + 120))


def edge_weights(line: Sequence[Trial], neutral: float) -> go.Figure:
    """Plot the learned weight of each edge (row) in each trial of a lineage (column).

    Weights below the neutral one are orange, those above it blue.
    """
    orange_to_blue = ((0.0, _ORANGE), (neutral, "#e1e5ea"), (1.0, "#1f5a96"))
    learned = [one.evaluation.connection_weights for one in line]
    edges = sorted({edge for weights in learned for edge in weights}, key=_numbers_by_value)
    edges.sort(key=lambda edge: next(at for at, weights in enumerate(learned) if edge in weights))
    names = [_label(edge) for edge in edges]
    ends = [[_label(end) for end in edge.partition("->")[::2]] for edge in edges]
    figure = go.Figure(
        go.Heatmap(
            z=[[weights.get(edge) for weights in learned] for edge in edges],
            customdata=[[[*pair, one.number] for one in line] for pair in ends],
            colorscale=orange_to_blue, zmin=0, zmax=1, xgap=2, ygap=1, hoverongaps=False,
            colorbar={"title": {"text": "Weight", "side": "top"}, "thickness": 12,
                      "len": 200, "lenmode": "pixels", "y": 1, "yanchor": "top"},
            texttemplate="%{z:.2f}" if len(line) <= _MOST_WRITTEN_TRIALS else None,
            textfont={"size": 10},
            hovertemplate="from <b>%{customdata[0]}</b> to <b>%{customdata[1]}</b><br>"
            "weight %{z:.3f} in trial %{customdata[2]}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(
        title="Trial, the first ancestor first", side="top", showgrid=False,
        tickmode="array", tickvals=list(range(len(line))),
        ticktext=[str(one.number) for one in line],
    )  # fmt: skip
    figure.update_yaxes(
        title="Edge", autorange="reversed", showgrid=False,
        tickmode="array", tickvals=list(range(len(names))), ticktext=names, tickfont={"size": 11},
    )  # fmt: skip
    return _styled(figure, height=max(260, 17 * len(edges) + 100))


def _numbers_by_value(name: str) -> list[tuple[str, int]]:
    """Return a sort key by which b9 comes before b10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _by_cost(
    trials: Sequence[Trial], cost_of: Callable[[Trial], float | None]
) -> list[tuple[Trial, float]]:
    """Return the trials whose cost is known, with that cost."""
    costs = ((trial, cost_of(trial)) for trial in trials)
    return [(trial, cost) for trial, cost in costs if cost is not None]


def _latency_ms(trial: Trial) -> float | None:
    cost = trial.evaluation.cost
    return cost.latency.p50_ms if cost and cost.latency else None


def _macs(trial: Trial) -> float | None:
    cost = trial.evaluation.cost
    return cost.macs if cost else None


def _front(trained: Sequence[tuple[Trial, float]]) -> list[tuple[Trial, float]]:
    """Return the trials that no cheaper one equals, by rising cost."""
    front: list[tuple[Trial, float]] = []
    for trial, cost in sorted(trained, key=lambda one: (one[1], -one[0].fitness)):
        if not front or trial.fitness > front[-1][0].fitness:
            front.append((trial, cost))
    return front


def _hover(trial: Trial) -> str:
    proposal = trial.proposal
    origin = "design" if proposal.design else "random"
    origin = origin if proposal.parent is None else f"child of {proposal.parent}"
    lines = [format_evaluation(trial.evaluation), origin, *proposal.mutations]
    return "<br>".join([f"<b>trial {trial.number}</b> on rung {trial.rung}", *map(_label, lines)])


def _rung_colours(report: StudyReport) -> list[str]:
    """Return a colour for each rung that a candidate reached, the darker the higher."""
    rungs = 1 + max((trial.rung for trial in report.history), default=0)
    shares = [rung / max(rungs - 1, 1) for rung in range(rungs)]
    colours: list[str] = sample_colorscale(_RUNGS, shares)
    return colours


def _label(text: str) -> str:
    """Return text that Plotly shows as it is, although it reads HTML in every label."""
    return str(escape(printable(text)))


_FITNESS_AXES = {
    ("likelihood",): ("Probability of the right class, validation", ".0%"),
    ("balanced_likelihood",): ("Probability of the right class, validation, by class", ".0%"),
    ("top1",): ("Validation accuracy", ".0%"),
    ("mean_class",): ("Validation mean class accuracy", ".0%"),
    ("map",): ("Validation mAP", ".0%"),
    ("top1", "top5"): ("Validation top-1 + top-5", ".2f"),
}


def _fitness_axis(report: StudyReport) -> dict[str, str]:
    title, tickformat = _FITNESS_AXES.get(report.fitness, ("Fitness", ""))
    return {"title": title, "tickformat": tickformat}


def _styled(figure: go.Figure, *, height: int) -> go.Figure:
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
