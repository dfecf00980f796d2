"""What a search that goes on finds of an earlier one, what it mends, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator

from vidnas.deploy.finalists import finished_models
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import STATES_FOLDER, Study


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
        yield (
            f"Lost: no candidate; {len(ok) - kept} of them have no state any more and are trained "
            "up again where they climb."
        )
    else:
        yield "Lost: nothing."


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
