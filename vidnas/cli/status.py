"""`vidnas status`: how a study stands, also while a search is running in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidnas.cli.console import Json, show_facts, show_json
from vidnas.cli.live import outcomes
from vidnas.core.durations import format_duration
from vidnas.core.quantities import format_cost, format_evaluation, format_percent
from vidnas.workflows.options import Request

if TYPE_CHECKING:
    from vidnas.training import AnyMetrics
    from vidnas.workflows.status import StudyStatus

_REASONS = 3


class StatusRequest(Request):
    """What `vidnas status` is asked for."""

    study: Path
    """Folder of a study; a search may be running in it."""


def command(request: StatusRequest, *, json: Json = False) -> None:
    """Show how a study stands: whether a search is running, what it found, how long it will take.

    For example:

        vidnas status study
    """
    from vidnas.workflows.status import read_status

    status = read_status(request.study)
    if json:
        show_json(status.model_dump(mode="json"))
        return
    show_facts(facts_of(status))


def facts_of(status: StudyStatus) -> dict[str, str | list[str]]:
    """Return facts by name, as people read them, without those that are not known."""
    since_s = status.since_last_trial_s
    last = f"; the last trial {format_duration(since_s)} ago" if since_s is not None else ""
    left = ""
    if status.remaining_s:
        left = f"; about {format_duration(status.remaining_s)} until the answer"
    facts: dict[str, str | list[str]] = {
        "State": ("a search is running" if status.searching else "no search is running") + last,
        "Asked": _asked(status),
        "Searched": f"{format_duration(status.elapsed_s)}{left}",
        "Candidates": f"{outcomes(status.trials, status.rejections)}; "
        f"{status.candidates_per_minute:.1f} per minute",
    }
    if status.failures:
        shown = status.failures[:_REASONS]
        facts["Failures"] = [f"{one.count} x {one.reason}" for one in shown]
    if len(status.rungs) > 1:
        facts["Ladder"] = ", ".join(f"{n} on rung {rung}" for rung, n in enumerate(status.rungs))
    best = status.best
    rung = f" on rung {best.rung}" if best and best.rung else ""
    cheapest = [f"the cheapest, {one}" for one in status.nearest.values()]
    facts["Best"] = (
        f"trial {best.number}{rung}: {format_evaluation(best.evaluation)}"
        if best
        else "; ".join(["none yet", *cheapest])
    )
    if status.gain is not None:
        facts["Gained"] = str(status.gain)
    if (winner := status.winner) is not None:
        found = f"{_test(winner.test)} on {winner.test.clips} test clips, " if winner.test else ""
        cost = format_cost(winner.cost) if winner.cost else ""
        facts["Finished"] = f"{winner.name}: {found}{cost}"
        if (shipped := winner.shipped) is not None:
            facts["Ships"] = [f"best/{shipped.name}: {shipped.facts}", *shipped.answers]
    if status.chance is not None:
        facts["Chance"] = [status.chance, *([status.warning] if status.warning else [])]
    if (spent := status.accounting) is not None:
        shares = ((use, seconds / (spent.total_s or 1)) for use, seconds in spent.uses.items())
        facts["Core time"] = ", ".join(f"{format_percent(share)} {use}" for use, share in shares)
    return facts


def _test(metrics: AnyMetrics) -> str:
    """Return the headline; a plain percentage is top-1."""
    named = "" if metrics.headline == "top1" else f" {metrics.headline_name}"
    return f"{format_percent(metrics.headline_share)}{named}"


def _asked(status: StudyStatus) -> str:
    ends = []
    if status.evaluations_asked is not None:
        ends.append(f"{status.evaluations_asked} evaluations")
    if status.search_budget_s is not None:
        ends.append(f"{format_duration(status.search_budget_s)} of search")
    words = [
        f"{status.strategy.get('name', 'a strategy')} in {status.family}",
        " or ".join(ends),
        f"{status.limits}",
    ]
    return ", ".join(word for word in words if word)
