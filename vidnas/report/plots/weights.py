"""What the connections of a lineage had learned."""

from __future__ import annotations

import re
from collections.abc import Sequence

import plotly.graph_objects as go

from vidnas.evolution.trial import Trial
from vidnas.report.plots.style import BLUE, ORANGE, label, styled

_MOST_WRITTEN_TRIALS = 12


def edge_weights(line: Sequence[Trial], neutral: float) -> go.Figure:
    """Plot the learned weight of each edge (row) in each trial of a lineage (column).

    Weights below the neutral one are orange, those above it blue.
    """
    orange_to_blue = ((0.0, ORANGE), (neutral, "rgba(139, 148, 163, 0.25)"), (1.0, BLUE))
    learned = [one.evaluation.connection_weights for one in line]
    edges = sorted({edge for weights in learned for edge in weights}, key=_numbers_by_value)
    edges.sort(key=lambda edge: next(at for at, weights in enumerate(learned) if edge in weights))
    names = [label(edge) for edge in edges]
    ends = [[label(end) for end in edge.partition("->")[::2]] for edge in edges]
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
    return styled(figure, height=max(260, 17 * len(edges) + 100))


def _numbers_by_value(name: str) -> list[tuple[str, int]]:
    """Return a sort key by which b9 comes before b10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]
