"""What a search that goes on finds of an earlier one, what it mends, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vidnas.core import LatencyProtocol
from vidnas.core.names import listed
from vidnas.core.text import counted
from vidnas.deploy.card import ModelCard
from vidnas.deploy.finalists import finished_models
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import STATES_FOLDER, Study
from vidnas.profiling.runtimes import measured_in


def recovery(study: Study) -> Iterator[str]:
    """Yield sentences on a study that was opened to be searched: none where it is new."""
    if not study.history:
        return
    states = StateFolder(study.folder / STATES_FOLDER)
    ok = [trial for trial in study.trials if trial.evaluation.status == "ok"]
    kept = sum(states.file(trial.architecture.digest).is_file() for trial in ok)
    found = {
        "candidates": len(study.trials),
        "evaluations on their rungs": len(study.history),
        "states to go on from": kept,
        "finished models": len(finished_models(study.folder)),
        "evaluations that wait for their turn": len(study.unrecorded),
    }
    yield f"Resuming {study.folder}: found {_listed(found)}."
    if any(study.repairs.values()):
        yield f"Repaired: {_listed(study.repairs)}."
    if kept < len(ok):
        lost = counted(
            len(ok) - kept,
            "of them has no state any more and is trained up again where it climbs",
            "of them have no state any more and are trained up again where they climb",
        )
        yield f"Lost: no candidate; {lost}."
    else:
        yield "Lost: nothing."


def timed_otherwise(study: Study, runtime: str, reference: LatencyProtocol) -> str:
    """Return a sentence on candidates that were timed in another runtime than those to come, on
    another machine or on other threads; nothing where there are none."""
    costs = (trial.evaluation.cost for trial in study.trials)
    protocols = [cost.latency.protocol for cost in costs if cost and cost.latency]
    others = [one for one in protocols if not measured_in(one, runtime, reference)]
    if not others:
        return ""
    return (
        f"{counted(len(others), 'candidate was', 'candidates were')} timed in "
        f"{others[-1].runtime}, {others[-1].dtype}, on {_place(others[-1])}; those to come are "
        f"timed in {runtime} on {_place(reference)}, and "
        "what is finished is measured again there."
    )


def finished_otherwise(cards: Sequence[ModelCard]) -> str:
    """Return a sentence on networks that were finished before, and are finished again.

    How they are finished follows from the budget, the workers and the version.
    """
    versions = sorted({card.versions.get("vidnas", "an earlier version") for card in cards})
    return (
        f"Finished before, for another time or in another way, by vidnas {listed(versions)}: "
        f"{listed([card.name for card in cards])}; the plan of this search finishes them again, "
        "and the better of both stays."
    )


def unusable_states(states: StateFolder) -> str:
    """Return a sentence on states that workers set aside, and remove them; nothing where there are
    none."""
    count = states.clear_aside()
    if not count:
        return ""
    return (
        f"{count} state(s) in {states.path} could not be used and were removed; their candidates "
        "are trained up again where they climb, and children of theirs start from scratch."
    )


def _place(protocol: LatencyProtocol) -> str:
    return f"{counted(protocol.threads, 'thread')} of {protocol.device}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} ({count})" for what, count in counts.items() if count)
