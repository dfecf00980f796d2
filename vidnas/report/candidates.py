"""Every candidate as the page opens it: what became of it, its genes and its drawing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vidnas.core import Diagram, UserError
from vidnas.core.durations import format_duration
from vidnas.core.quantities import (
    format_bytes,
    format_count,
    format_fitness,
    format_metric,
    format_ms,
    format_percent,
)
from vidnas.core.text import escaped
from vidnas.evolution.trial import Trial
from vidnas.families import Architecture, diagram_of
from vidnas.report.drawing import draw_svg
from vidnas.report.packing import SharedParts
from vidnas.report.study import StudyReport

MOST_DRAWN = 26_000_000
"""Characters of the parts of all drawings, before they are packed: the best candidates are drawn
first. It is reached by thousands of networks whose connections differ."""


def all_candidates(report: StudyReport) -> dict[str, Any]:
    """Return what the page shows of each candidate when it is opened, as `rows` by number, and the
    `parts` that their drawings are put together from."""
    shared = SharedParts()
    finished = {card.trial: card for card in report.singles}
    rows: list[dict[str, Any]] = []
    for trial in report.trials:
        facts = dict(_facts(trial, report))
        if card := finished.get(trial.number):
            measured = {"validation": card.validation, "test": card.test}
            said = [f"{format_percent(m.headline_share)} {n}" for n, m in measured.items() if m]
            facts["Finished"] = ", ".join(said) or "yes"
        row = {
            "facts": facts,
            "parent": trial.proposal.parent,
            "mutations": [escaped(one) for one in trial.proposal.mutations],
            "genes": trial.architecture.to_json(),
        }
        rows.append(row)
    for at in sorted(range(len(rows)), key=lambda at: report.trials[at].rank, reverse=True):
        if shared.characters > MOST_DRAWN:
            break
        if drawing := _drawing(report.trials[at]):
            shared.add(at, drawing)
    parts, drawings = shared.sort()
    for at, places in drawings.items():
        rows[at]["drawing"] = places
    return {"rows": rows, "parts": parts}


def known_diagram(architecture: Architecture) -> Diagram | None:
    """Return what is drawn of an architecture; None of a family that this process does not know."""
    try:
        return diagram_of(architecture)
    except UserError:
        return None


def _facts(trial: Trial, report: StudyReport) -> Iterator[tuple[str, str]]:
    found, cost = trial.evaluation, report.cost_of(trial)
    outcome = f"trained up to rung {trial.rung}" if found.status == "ok" else found.status
    yield "Outcome", escaped(f"{outcome}: {found.reason}" if found.reason else outcome)
    shares = [one.headline_share for one in trial.evaluations if one.headline_share is not None]
    if shares:
        yield (
            f"Validation {format_metric(found.headline)}, rung by rung",
            ", ".join(map(format_percent, shares)),
        )
    fitness = [one.fitness for one in trial.evaluations if one.fitness is not None]
    if fitness:
        yield "Fitness, rung by rung", ", ".join(map(format_fitness, fitness))
    if cost and cost.latency:
        yield "Latency", format_ms(cost.latency.p50_ms)
    if cost and cost.frame_latency:
        yield "Latency of a frame", format_ms(cost.frame_latency.p50_ms)
    if cost:
        yield "Parameters", format_count(cost.parameters)
        yield "MACs", format_count(cost.macs)
        yield "Activation memory", format_bytes(cost.activation_bytes)
    yield "Took", format_duration(sum(one.seconds for one in trial.evaluations))


def _drawing(trial: Trial) -> str | None:
    if (diagram := known_diagram(trial.architecture)) is None:
        return None
    drawn = diagram.weighted(trial.evaluation.connection_weights)
    return draw_svg(drawn.model_copy(update={"title": f"Trial {trial.number}"}))
