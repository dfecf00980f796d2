"""Accuracy against cost: every candidate, the front, the limit, and the finished networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vidnas.deploy.card import ModelCard
from vidnas.evolution.trial import Trial
from vidnas.report.cost_kinds import CostKind, compared
from vidnas.report.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    RING,
    candidates,
    cost_axis,
    hover,
    rung_colours,
    share_axis,
    styled,
)
from vidnas.report.study import StudyReport

_Placed = tuple[Trial, float]
"""A candidate and its cost."""
_Finished = tuple[ModelCard, float, _Placed]
"""A finished network, what validation says of it, and where it came from."""


def accuracy_against_cost(report: StudyReport) -> go.Figure:
    """Plot every candidate by its cost, and the finished networks by what they became; the rejected
    ones in a strip below, the limit as a line."""
    ok = report.of_status("ok")
    kind = compared(report.limits, [one.evaluation.cost for one in ok], any)
    worth = share if (by_share := shows_shares(report)) else _fitness
    trained = _by_cost(ok, report, kind)
    rejected = _by_cost(report.of_status("rejected"), report, kind)
    finished = _finished(report, trained, kind) if by_share else []
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.87, 0.13], vertical_spacing=0.03
    )

    def add(row: int, name: str, shown: Sequence[_Placed], **style: Any) -> None:
        said = candidates([trial for trial, _ in shown])
        figure.add_scatter(
            x=[cost for _, cost in shown],
            y=[worth(trial) if row == 1 else 0.0 for trial, _ in shown],
            name=name, row=row, col=1, **(said | style),
        )  # fmt: skip

    add(
        1, "best at its cost", _front(trained, worth), mode="lines", opacity=0.6, hoverinfo="skip",
        line={"color": BLUE, "width": 1.5, "shape": "hv"}, hovertemplate=None,
    )  # fmt: skip
    colours = rung_colours(report)
    stands = {"color": [colours[one.rung] for one, _ in trained], "size": 9, "line": RING}
    add(1, "candidate", trained, mode="markers", marker=stands)
    _add_finished(figure, report, finished, trained, worth)
    bar = {"color": GREY, "size": 13, "symbol": "line-ns-open", "line": {"width": 1.5}}
    add(2, "rejected, not trained", rejected, mode="markers", marker=bar)
    limit = kind.limit(report.limits)
    if limit is not None:
        dashed = {"color": RED, "width": 1.5, "dash": "dash"}
        figure.add_vline(x=limit, line=dashed)
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name="limit", line=dashed, row=1, col=1
        )
    shown = [cost for _, cost in (*trained, *rejected)]
    figure.update_xaxes(**cost_axis(shown if limit is None else [*shown, limit]))
    figure.update_xaxes(tickformat=kind.tickformat)
    figure.update_xaxes(title=kind.axis, row=2, col=1)
    if by_share:
        shares = [share(one) for one, _ in trained] + [y for _, y, _ in finished]
        figure.update_yaxes(**share_axis(report.headline, shares), row=1, col=1)
    else:
        figure.update_yaxes(title="Fitness", row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True, row=2, col=1)
    return styled(figure, height=470)


def shows_shares(report: StudyReport) -> bool:
    """Whether candidates can be compared by the metric that is shown first, and not only by
    fitness."""
    return all(
        one.evaluation.headline_share is not None and one.evaluation.headline == report.headline
        for one in report.of_status("ok")
    )


def share(trial: Trial) -> float:
    """Return the validation metric that is shown first."""
    found = trial.evaluation.headline_share
    return float("nan") if found is None else found


def _fitness(trial: Trial) -> float:
    return trial.fitness


def _finished(report: StudyReport, trained: Sequence[_Placed], kind: CostKind) -> list[_Finished]:
    """Return the finished networks with what validation says of them, and where they came from; a
    vote has the cost of all its voters."""
    placed = {one.number: (one, cost) for one, cost in trained}
    found = []
    for card in report.finished:
        if card.validation and card.trial in placed:
            trial, cost = placed[card.trial]
            together = kind.of(card.cost) if card.voters else None
            place = (trial, together or cost)
            found.append((card, card.validation.headline_share, place))
    return found


def _add_finished(
    figure: go.Figure,
    report: StudyReport,
    finished: Sequence[_Finished],
    trained: Sequence[_Placed],
    worth: Callable[[Trial], float],
) -> None:
    """Add what the cool-down made of candidates: a line up to a diamond, and the answer's star."""
    lines = [
        (x, end)
        for card, y, (one, x) in finished
        if not card.voters
        for end in (worth(one), y, None)
    ]
    figure.add_scatter(
        x=[x for x, _ in lines], y=[y for _, y in lines], mode="lines", hoverinfo="skip",
        line={"color": ORANGE, "width": 1.2, "dash": "dot"}, showlegend=False, name="cool-down",
        row=1, col=1,
    )  # fmt: skip
    if report.winner is None:
        return
    answer = report.winner
    others = [found for found in finished if found[0] is not answer]
    stars: Sequence[_Finished] = [found for found in finished if found[0] is answer] or [
        (answer, worth(one), (one, cost)) for one, cost in trained if one.number == answer.trial
    ]
    for name, shown, symbol, size in (
        ("finished", others, "diamond", 11), ("chosen", stars, "star", 17),
    ):  # fmt: skip
        trials = [one for _, _, (one, _) in shown]
        said = candidates(trials) | {"text": [_became(c, one) for c, _, (one, _) in shown]}
        figure.add_scatter(
            x=[cost for _, _, (_, cost) in shown], y=[y for _, y, _ in shown], mode="markers",
            marker={"color": ORANGE, "size": size, "symbol": symbol, "line": RING}, name=name,
            row=1, col=1, **said,
        )  # fmt: skip


def _became(card: ModelCard, trial: Trial) -> str:
    """Return the hover of a finished network."""
    if card.validation is None:
        return hover(trial)
    said = card.name if card.voters else "finished"
    said += f": {card.validation.headline_share:.1%} validation"
    if card.test is not None:
        said += f", {card.test.headline_share:.1%} test"
    return f"{hover(trial)}<br><b>{said}</b>"


def _by_cost(trials: Sequence[Trial], report: StudyReport, kind: CostKind) -> list[_Placed]:
    """Return the trials whose cost is known, with that cost."""
    costs = ((trial, kind.of(report.cost_of(trial))) for trial in trials)
    return [(trial, cost) for trial, cost in costs if cost is not None]


def _front(trained: Sequence[_Placed], worth: Callable[[Trial], float]) -> list[_Placed]:
    """Return the trials that no cheaper one equals, by rising cost."""
    front: list[_Placed] = []
    for trial, cost in sorted(trained, key=lambda one: (one[1], -worth(one[0]))):
        if not front or worth(trial) > worth(front[-1][0]):
            front.append((trial, cost))
    return front
