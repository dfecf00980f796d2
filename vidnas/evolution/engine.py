"""The search itself: keep all workers busy, reject cheaply, record durably, then decide."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vidnas.core import Evaluation, UserError
from vidnas.evolution.evaluator import AdaptiveEvaluator, Evaluator
from vidnas.evolution.executors import Executor
from vidnas.evolution.interruption import CtrlC
from vidnas.evolution.strategies import Strategy
from vidnas.evolution.study import Study
from vidnas.evolution.tally import Tally, per_minute
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture, Space
from vidnas.profiling.counting import count_cost

GIVE_UP_AFTER = 200
"""Rejections after which a search that never accepted a candidate gives up."""
LOOKAHEAD = 8
"""How many candidates a deterministic search may start before its strategy sees the first of them:
more workers than that stay idle."""
_STRATEGY_TRIES = 100
_RANDOM_TRIES = 1000  # that many random draws without a new one: the space is exhausted
_POLL_S = 0.5  # how often a waiting search checks whether Ctrl-C was pressed

EventKind = Literal["started", "ok", "rejected", "failed", "stopping", "ended"]


@dataclass(frozen=True)
class Event:
    """What happened in a search, and how far it is; all of it is already on disk."""

    kind: EventKind
    """"stopping" is announced once, when Ctrl-C was pressed while candidates are in flight."""
    trial: Trial | None
    """The trial just recorded; None where the event is not about one."""
    counts: Mapping[str, int]
    """Trials by status, over all resumptions; a status that did not occur is missing."""
    rejections: Mapping[str, int]
    """Rejected candidates by the limit that they broke; "other" where an evaluator names none."""
    best: Trial | None
    elapsed_s: float
    """Search time, over all resumptions."""
    remaining_s: float | None
    """Estimate of what is left; None as long as nothing was evaluated."""
    exhausted: bool = False
    """Whether every architecture that can be found was tried."""

    @property
    def evaluations(self) -> int:
        """How many candidates were trained, successfully or not."""
        return self.counts.get("ok", 0) + self.counts.get("failed", 0)

    @property
    def candidates_per_minute(self) -> float:
        """Evaluations by search time."""
        return per_minute(self.evaluations, self.elapsed_s)


def run_search(
    study: Study,
    space: Space,
    evaluator: Evaluator,
    strategy: Strategy,
    executor: Executor,
    *,
    evaluations: int | None = None,
    budget_s: float | None = None,
    deadline_s: float | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Event:
    """Search until the study holds enough evaluations or has taken enough time.

    The study's trials are replayed first, so that the same call resumes after a kill. Limits,
    classes and seed are those of the study's config. Every trial is on disk before it is announced
    and before the strategy sees it. After Ctrl-C no candidate is started and those in flight are
    finished; a second Ctrl-C stops at once and loses only those.

    A deterministic study (see its config) has the same history with any number of workers, killed
    or not, as far as its evaluations are reproducible: trials are recorded in the order of their
    proposals, and proposal n sees the first `n - LOOKAHEAD + 1` trials, whatever is finished. What
    is finished before its turn is kept on disk until then.

    Args:
        study: an empty study, or one to resume.
        space: the architectures to search.
        evaluator: says what candidates are worth.
        strategy: a fresh one; it observes the trials of the study and those to come.
        executor: where evaluations run; the caller shuts it down.
        evaluations: number of evaluated candidates (ok or failed, not rejected) to end at.
        budget_s: search time, over all resumptions, after which no more evaluations are started.
        deadline_s: seconds that an evaluation may take; give the executor's `timeout_s` more.
        on_event: called at the start, after every recorded trial, on Ctrl-C and at the end.

    Returns:
        The last event.

    Raises:
        UserError: neither end is given, no candidate kept the limits, the study cannot be written,
            or an evaluation raised it, so that it is not the candidate's fault.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if evaluations is None and budget_s is None:
        raise UserError("The search has no end; give a number of evaluations or a time budget.")
    return _Search(
        study, space, evaluator, strategy, executor, evaluations, budget_s, deadline_s, on_event
    ).run()


@dataclass
class _Search:
    """The state of a running search: what is in flight, and a tally of the recorded trials."""

    study: Study
    space: Space
    evaluator: Evaluator
    strategy: Strategy
    executor: Executor
    evaluations: int | None
    budget_s: float | None
    deadline_s: float | None
    on_event: Callable[[Event], None]
    running: dict[Future[Evaluation], Proposal] = field(default_factory=dict)
    unobserved: deque[Trial] = field(default_factory=deque)
    seen: set[str] = field(default_factory=set)
    ctrl_c: CtrlC = field(default_factory=CtrlC)
    stopping: bool = False
    exhausted: bool = False

    def __post_init__(self) -> None:
        self.tally = Tally(self.evaluations, self.budget_s)
        trials = self.study.trials
        self.clock_zero = time.monotonic() - (trials[-1].elapsed_s if trials else 0.0)
        for trial in trials:
            self.take(trial)

    def run(self) -> Event:
        with self.ctrl_c.watched():
            self.announce("started")
            try:
                self.loop()
            except KeyboardInterrupt:
                self.finish()
                raise
        if self.ctrl_c.pressed:
            raise KeyboardInterrupt
        if self.nothing_fits:
            raise UserError(self.why_nothing_fits())
        return self.announce("ended")

    def loop(self) -> None:
        """Start and record candidates until none is wanted and none is in flight."""
        while True:
            if self.ctrl_c.pressed and self.running and not self.stopping:
                self.stopping = True
                self.announce("stopping")
            room = self.wants_more() and self.has_room()
            if room:
                self.advance()
            elif not self.running:
                break
            unfinished = [future for future in self.running if not future.done()]
            wait(unfinished, timeout=0 if room else _POLL_S, return_when=FIRST_COMPLETED)
            self.finish()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.clock_zero

    @property
    def nothing_fits(self) -> bool:
        counts = self.tally.counts
        return not self.tally.evaluated and counts["rejected"] >= GIVE_UP_AFTER

    def wants_more(self) -> bool:
        if self.ctrl_c.pressed or self.exhausted or self.nothing_fits:
            return False
        if self.budget_s is not None and self.elapsed_s >= self.budget_s:
            return False
        started = self.tally.evaluated + len(self.running)
        return self.evaluations is None or started < self.evaluations

    def has_room(self) -> bool:
        """Return whether a worker is free and, if deterministic, the next proposal is due."""
        if self.study.config.deterministic and len(self.running) >= LOOKAHEAD:
            return False
        return sum(not future.done() for future in self.running) < self.executor.slots

    def advance(self) -> None:
        """Propose one candidate; reject it at once or start its evaluation."""
        proposal = self.propose()
        if proposal is None:
            self.exhausted = True
            return
        architecture = proposal.architecture
        self.seen.add(architecture.digest)
        known = self.study.unrecorded.get(architecture.digest) or self.reject(architecture)
        if known is not None:
            future: Future[Evaluation] = Future()
            future.set_result(known)
        else:
            future = self.executor.submit(
                self.evaluator_of(proposal).evaluate,
                architecture,
                evaluation_seed(self.study.config.seed, architecture),
                self.deadline_s,
            )
        self.running[future] = proposal

    def evaluator_of(self, proposal: Proposal) -> Evaluator:
        """Return the evaluator of a candidate, adapted to what the strategy knows and no more, so
        that nothing depends on timing."""
        if not isinstance(self.evaluator, AdaptiveEvaluator):
            return self.evaluator
        trials = self.study.trials
        if self.unobserved:
            trials = trials[: self.unobserved[0].number]
        return self.evaluator.for_candidate(proposal, trials)

    def propose(self) -> Proposal | None:
        """Return a candidate that was not tried before, or None if none can be found.

        The generator depends on the study's seed and on how many candidates came before, so that a
        resumed study does not restart its sequence of random numbers.
        """
        before = len(self.study.trials) + len(self.running)
        self.teach(before - LOOKAHEAD)
        rng = np.random.default_rng((self.study.config.seed, before))
        for attempt in range(_STRATEGY_TRIES + _RANDOM_TRIES):
            if attempt < _STRATEGY_TRIES:
                proposal = self.strategy.propose(self.space, rng)
            else:
                proposal = Proposal(self.space.random(rng))
            if proposal.architecture.digest not in self.seen:
                return proposal
        return None

    def reject(self, architecture: Architecture) -> Evaluation | None:
        """Judge what can be counted; what has no network, and latency, the evaluator measures."""
        limits = self.study.config.limits
        if not limits.counted or not architecture.inputs:
            return None
        try:
            cost = count_cost(architecture, len(self.study.config.classes))
        except Exception as error:
            return Evaluation.failed_by(error)
        return limits.judge(cost)

    def finish(self) -> None:
        """Record finished evaluations, in the order in which they were started.

        In a deterministic search one that is finished before its turn waits for it on disk.
        """
        user_error: UserError | None = None
        must_wait = False
        for future, proposal in list(self.running.items()):
            if not future.done():
                must_wait = self.study.config.deterministic
                continue
            try:
                evaluation = self.outcome(future)
            except UserError as error:
                user_error = error
                must_wait = self.study.config.deterministic
                continue
            if must_wait:
                self.study.keep_unrecorded(proposal.architecture, evaluation)
            else:
                self.record(proposal, evaluation, future)
        if user_error is not None:
            raise user_error

    def outcome(self, future: Future[Evaluation]) -> Evaluation:
        """Return a finished evaluation, rejected if its cost breaks a limit after all.

        Raises:
            UserError: the evaluation raised it, so it is not the candidate's fault.
        """
        error = future.exception()
        if isinstance(error, UserError):
            raise error
        if error is not None:
            return Evaluation.failed_by(error)
        return self.study.config.limits.judge_again(future.result())

    def record(
        self, proposal: Proposal, evaluation: Evaluation, future: Future[Evaluation]
    ) -> None:
        with self.ctrl_c.held_back():
            trial = self.study.record(proposal, evaluation, self.elapsed_s)
            del self.running[future]
            self.take(trial)
            self.announce(evaluation.status, trial)

    def take(self, trial: Trial) -> None:
        """Learn from a trial that is on disk."""
        self.seen.add(trial.architecture.digest)
        self.tally.take(trial)
        self.unobserved.append(trial)
        if not self.study.config.deterministic:
            self.teach(trial.number)

    def teach(self, last: int) -> None:
        """Show the strategy what it has not seen of the trials up to this number."""
        while self.unobserved and self.unobserved[0].number <= last:
            self.strategy.observe(self.unobserved.popleft())

    def announce(
        self,
        kind: EventKind,
        trial: Trial | None = None,
    ) -> Event:
        elapsed_s = self.elapsed_s
        event = Event(
            kind,
            trial,
            dict(self.tally.counts),
            dict(self.tally.rejections),
            self.tally.best,
            elapsed_s,
            self.tally.remaining_s(elapsed_s),
            self.exhausted,
        )
        self.on_event(event)
        return event

    def why_nothing_fits(self) -> str:
        limits = self.study.config.limits
        costs = [trial.evaluation.cost for trial in self.study.trials if trial.evaluation.cost]
        return (
            f"No architecture within {limits} was found among {len(self.study.trials)} random "
            f"ones{limits.least(costs)}; raise the limit or use another space."
        )


def evaluation_seed(study_seed: int, architecture: Architecture) -> int:
    """Return the seed of a candidate: the same for the same candidate of the same study."""
    entropy = (study_seed, int(architecture.digest, 16))
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
