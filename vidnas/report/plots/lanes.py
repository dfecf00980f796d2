"""Lanes: what each worker did, and when."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from vidnas.evolution.trial import Trial
from vidnas.report.plots.style import GREY, hover, styled
from vidnas.report.study import StudyReport

_COLOURS = {
    "training": "#3d7fc1",
    "validation": "#44a392",
    "measuring, loading, saving": "#d9a22b",
    "failed": "#c9403a",
}
_WIDE_PX, _SLIM_PX = 22, 12


@dataclass(frozen=True)
class Span:
    """What a worker did for a while."""

    lane: int
    use: str
    begin_s: float
    end_s: float
    trial: Trial


def spans_of(history: Sequence[Trial], workers: int) -> list[Span]:
    """Return what workers did, as far as it follows from when each evaluation was recorded and how
    long it took; whose lane it was is not recorded, and the first free one is taken."""
    found: list[Span] = []
    free = [(0.0, lane) for lane in range(workers)]
    began = sorted(history, key=lambda one: one.elapsed_s - one.evaluation.seconds)
    for trial in began:
        start_s = max(trial.elapsed_s - trial.evaluation.seconds, 0.0)
        # Of the lanes that are free by then the one that has waited least: idle ones stay so.
        ready = [one for one in free if one[0] <= start_s + 0.5] or [heapq.nsmallest(1, free)[0]]
        lane = max(ready)[1]
        found += _parts(trial, lane, start_s)
        free[lane] = (trial.elapsed_s, lane)
    return found


def lanes(report: StudyReport) -> go.Figure | None:
    """Plot one lane per worker, idle where it is empty; None where the workers are not known."""
    if report.accounting is None:
        return None
    workers = report.accounting.workers
    found = spans_of(report.history, workers)
    figure = go.Figure()
    width = _WIDE_PX if workers <= 8 else _SLIM_PX
    for use, colour in _COLOURS.items():
        spans = [span for span in found if span.use == use]
        if not spans:
            continue
        figure.add_scatter(
            x=[x for span in spans for x in (span.begin_s / 60, span.end_s / 60, None)],
            y=[y for span in spans for y in (span.lane + 1, span.lane + 1, None)],
            text=[said for span in spans for said in (_said(span), _said(span), "")],
            customdata=[n for span in spans for n in (span.trial.number,) * 3],
            hovertemplate="%{text}<extra></extra>", mode="lines", name=use,
            line={"color": colour, "width": width},
        )  # fmt: skip
    figure.update_xaxes(title="Minutes of search", range=[0, max(report.elapsed_s / 60, 1e-3)])
    figure.update_yaxes(
        title="Worker", tickmode="array", tickvals=list(range(1, workers + 1)), showgrid=False,
        range=[workers + 0.7, 0.3],
    )  # fmt: skip
    figure.update_layout(plot_bgcolor=_faint(GREY))
    return styled(figure, height=min(150 + (width + 8) * workers, 700))


def _parts(trial: Trial, lane: int, start_s: float) -> Iterator[Span]:
    evaluation = trial.evaluation
    if evaluation.status == "failed":
        yield Span(lane, "failed", start_s, trial.elapsed_s, trial)
        return
    trained_s = min(evaluation.metrics.get("training_s", 0.0), evaluation.seconds)
    validated_s = min(evaluation.metrics.get("validation_s", 0.0), trained_s)
    besides_s = evaluation.seconds - trained_s
    at = start_s
    for use, seconds in (
        ("measuring, loading, saving", besides_s),
        ("training", trained_s - validated_s),
        ("validation", validated_s),
    ):
        if seconds > 0:
            yield Span(lane, use, at, at + seconds, trial)
            at += seconds


def _said(span: Span) -> str:
    return f"{span.use}, {span.end_s - span.begin_s:.1f} s<br>{hover(span.trial)}"


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.15)"
