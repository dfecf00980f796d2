"""How a study stands, read from its folder without getting in the way of a search there."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from vidnas.core.value import Value
from vidnas.deploy.card import ModelCard
from vidnas.evolution.accounting import Accounting
from vidnas.evolution.gain import Gain
from vidnas.evolution.limits import Limits
from vidnas.evolution.study import Study
from vidnas.evolution.tally import Tally, per_minute
from vidnas.training.chance import chance_warning, describe_chance
from vidnas.workflows.page import read_accounting, read_winner
from vidnas.workflows.plan import search_time
from vidnas.workflows.records import read_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.search_log import TrialFacts


class Failure(Value):
    """Why candidates failed."""

    reason: str
    count: int


class StudyStatus(Value):
    """How a study stands."""

    study: str
    searching: bool
    """Whether a search holds the folder now."""
    family: str
    strategy: dict[str, Any]
    """Its name and settings."""
    limits: Limits
    evaluations_asked: int | None
    """None where none were asked for, or where the search was started from Python."""
    search_budget_s: float | None
    """The part of the budget that the search may take; None as above."""
    trials: dict[str, int]
    """By outcome; one that did not occur is missing."""
    rejections: dict[str, int]
    """Rejected candidates by the limit that they broke."""
    nearest: dict[str, str]
    """The one of them that came nearest to the limit, in words, by limit."""
    failures: tuple[Failure, ...]
    """The most frequent first."""
    rungs: tuple[int, ...]
    """How many candidates that are ok stand on each rung, the lowest first."""
    best: TrialFacts | None
    gain: Gain | None
    """The answer, or else the best so far, beside the best design; None without designs."""
    elapsed_s: float
    """Search time, over all resumptions, at which something was last recorded."""
    since_last_trial_s: float | None
    remaining_s: float | None
    """Estimate of the time that is left until the answer; None where nobody knows."""
    candidates_per_minute: float
    accounting: Accounting | None
    """Where the core-seconds went; None while a search runs, and for one started from Python."""
    winner: ModelCard | None
    """The network that is the answer."""
    chance: str | None
    """Where its test accuracy lies for certain, and what guessing reaches."""
    warning: str | None
    """That it may be guessing, where that is so."""


def read_status(folder: Path) -> StudyStatus:
    """Return how the study in the folder stands.

    Raises:
        UserError: the folder is not a study, or it is damaged.
    """
    study = Study.read(folder)
    request = read_record(SearchRequest, folder / REQUEST_FILE)
    search_s = search_time(request) if request else None
    tally = Tally(request.evaluations if request else None, search_s)
    reasons: Counter[str] = Counter()
    for trial in study.trials:
        tally.take(trial)
        if trial.evaluation.status == "failed":
            reasons[trial.evaluation.reason] += 1
    elapsed_s = study.history[-1].elapsed_s if study.history else 0.0
    winner = read_winner(folder)
    test, classes = winner.test if winner else None, study.config.classes
    last, searching = study.last_recorded, study.is_being_searched()
    # A search stops starting candidates a little before its time is up.
    ended = winner is not None and not searching
    since_s = max((datetime.now() - last).total_seconds(), 0.0) if last else None
    passed_s = since_s or 0.0 if searching else 0.0
    answer = tally.best if winner is None or winner.trial is None else study.trials[winner.trial]
    rungs = Counter(trial.rung for trial in study.trials if trial.evaluation.status == "ok")
    return StudyStatus(
        study=str(folder),
        searching=searching,
        family=study.config.family,
        strategy=study.config.strategy,
        limits=study.config.limits,
        evaluations_asked=tally.evaluations,
        search_budget_s=tally.budget_s,
        trials=dict(tally.counts),
        rejections=dict(tally.rejections),
        nearest={
            limit: f"trial {one.number}: {one.evaluation.reason}"
            for limit, one in tally.nearest.items()
        },
        failures=tuple(Failure(reason=why, count=n) for why, n in reasons.most_common()),
        rungs=tuple(rungs[rung] for rung in range(max(rungs, default=-1) + 1)),
        best=TrialFacts.of(tally.best),
        gain=None if answer is None else Gain.of(answer, study.trials),
        elapsed_s=elapsed_s,
        since_last_trial_s=since_s,
        remaining_s=0.0 if ended else _remaining_s(request, tally, elapsed_s, passed_s),
        candidates_per_minute=per_minute(tally.evaluated, elapsed_s),
        accounting=None if searching else read_accounting(study),
        winner=winner,
        chance=None if test is None else describe_chance(test, classes),
        warning=None if test is None else chance_warning(test, classes),
    )


def _remaining_s(
    request: SearchRequest | None, tally: Tally, elapsed_s: float, passed_s: float
) -> float | None:
    """Estimate how long it takes until the answer, some time after the last trial; what is not
    searched of a budget is for finishing and testing."""
    left_s = tally.remaining_s(elapsed_s)
    if left_s is None:
        return None
    if request is not None and request.budget_s is not None and tally.budget_s is not None:
        left_s += request.budget_s - tally.budget_s
    return max(left_s - passed_s, 0.0)
