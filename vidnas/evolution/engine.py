"""The search itself: keep all workers busy, reject cheaply, record durably, then decide."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field, replace

from vidnas.core import Evaluation, UserError
from vidnas.evolution.evaluator import Evaluator
from vidnas.evolution.events import Event, EventKind, kind_of
from vidnas.evolution.executors import Executor
from vidnas.evolution.interruption import CtrlC
from vidnas.evolution.launcher import Action, Flight, Launcher
from vidnas.evolution.niches import Niches
from vidnas.evolution.proposer import Proposer
from vidnas.evolution.schedule import Schedule, SearchTime
from vidnas.evolution.strategies import Strategy
from vidnas.evolution.study import Study
from vidnas.evolution.tally import Tally
from vidnas.evolution.trial import Trial
from vidnas.families import Space

GIVE_UP_AFTER = 200
"""Rejections and failures after which a search that never accepted a candidate gives up."""
LOOKAHEAD = 8
"""How many actions a deterministic search may start before it sees what the first of them came to:
more workers than that stay idle."""
_POLL_S = 0.5  # how often a waiting search checks whether Ctrl-C was pressed


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
    timeout_at: Callable[[int], float | None] | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Event:
    """Search until the study holds enough evaluations or has taken enough time.

    Whenever a worker is free, a candidate that has earned it climbs a rung of the ladder, or else
    one is born: a design of the space if one is left, else what the strategy proposes. Where too
    little time is left for a newborn to climb, the best go on instead, earned or not.

    The study's history is replayed first, so that the same call resumes after a kill. Limits,
    classes, seed, the number of rungs and whether designs are tried are those of the study's
    config. Every rung is on disk before it is announced and before the strategy sees it. After
    Ctrl-C nothing is started and what is in flight is finished; a second Ctrl-C stops at once and
    loses only that.

    A deterministic study (see its config) has the same history with any number of workers, killed
    or not, as far as its evaluations are reproducible: events are recorded in the order in which
    their actions started, and action n sees the first `n - LOOKAHEAD + 1` events, whatever is
    finished; where there is nothing to do as far as these say, as many more as it takes. What is
    finished before its turn is kept on disk until then. Time ends such a search, and decides
    nothing else.

    Args:
        study: an empty study, or one to resume.
        space: the architectures to search.
        evaluator: says what candidates are worth.
        strategy: a fresh one; it observes the trials of the study and those to come.
        executor: where evaluations run; the caller shuts it down.
        evaluations: number of evaluated candidates (ok or failed, not rejected) after which none is
            born; the search ends when none of them has earned a rung.
        budget_s: search time, over all resumptions, within which every climb must end whose time
            the evaluator knows, and after which nothing is started.
        deadline_s: seconds that an evaluation may take; give the executor's `timeout_s` more.
        timeout_at: says after how many seconds the climb of a rung is stopped, by executors that
            can; None for the executor's `timeout_s`.
        on_event: called at the start, after every recorded rung, on Ctrl-C and at the end.

    Returns:
        The last event.

    Raises:
        UserError: neither end is given, no candidate kept the limits or each failed, the study
            cannot be written, or an evaluation raised it, so that it is not the candidate's fault.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if evaluations is None and budget_s is None:
        raise UserError("The search has no end; give a number of evaluations or a time budget.")
    config = study.config
    strategy.niches = Niches(config.limits)
    designs = space.designs() if config.designs else ()
    return _Search(
        study,
        strategy,
        Launcher(config, evaluator, executor, deadline_s, timeout_at),
        Proposer(space, strategy, designs, config.seed),
        evaluations,
        budget_s,
        on_event,
    ).run()


@dataclass
class _Search:
    """The state of a running search: what is in flight, and what is known of the recorded trials.

    An event is recorded first; then the schedule sees it, and the strategy is taught it. In a
    deterministic search these two are behind, and each by its own rule.
    """

    study: Study
    strategy: Strategy
    launcher: Launcher
    proposer: Proposer
    evaluations: int | None
    budget_s: float | None
    on_event: Callable[[Event], None]
    running: list[Flight] = field(default_factory=list)
    seen: int = 0
    """How many events the schedule has seen."""
    taught: int = 0
    """How many events the strategy was taught."""
    ctrl_c: CtrlC = field(default_factory=CtrlC)
    stopping: bool = False
    exhausted: bool = False
    time_is_up: bool = False

    def __post_init__(self) -> None:
        config, history = self.study.config, self.study.history
        self.replayed = len(history)
        self.deterministic = config.deterministic
        self.time = SearchTime(self.budget_s, self.launcher.seconds_at)
        self.schedule = Schedule(
            config.rungs if self.strategy.climbs else 1,
            self.strategy.niches,
            self.evaluations,
            replace(self.time, budget_s=None) if self.deterministic else self.time,
        )
        self.tally = Tally(self.evaluations, self.budget_s)
        self.clock_zero = time.monotonic() - (history[-1].elapsed_s if history else 0.0)
        for trial in history:
            self.schedule.start(trial.number if trial.earlier else None)
            self.proposer.note(trial.proposal)
            self.tally.take(trial)
        self.catch_up()

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
        """Start and record actions until none is wanted and none is in flight."""
        while True:
            if self.ctrl_c.pressed and self.running and not self.stopping:
                self.stopping = True
                self.announce("stopping")
            action = self.next_action() if self.has_room() else None
            if action is not None:
                self.start(action)
            elif not self.running:
                break
            unfinished = [one.future for one in self.running if not one.future.done()]
            wait(unfinished, timeout=0 if action else _POLL_S, return_when=FIRST_COMPLETED)
            self.finish()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.clock_zero

    @property
    def actions(self) -> int:
        """How many actions were started."""
        return len(self.study.history) + len(self.running)

    @property
    def nothing_fits(self) -> bool:
        """Whether no candidate was ever ok among enough of them: those that were rejected over all
        resumptions, or all since this one began, because what they failed of may be mended by
        now."""
        since = len(self.study.history) - self.replayed
        enough = max(self.tally.counts["rejected"], since) >= GIVE_UP_AFTER
        return enough and not self.tally.accepted

    def has_room(self) -> bool:
        """Return whether a worker is free and, if deterministic, the next action is due."""
        if self.ctrl_c.pressed or self.nothing_fits or self.time_is_up:
            return False
        if self.deterministic and len(self.running) >= LOOKAHEAD:
            return False
        return sum(not one.future.done() for one in self.running) < self.launcher.executor.slots

    def next_action(self) -> Action | None:
        """Return what a free worker does; None as long as there is nothing to do.

        In a deterministic search the schedule sees the events that this action is to see, and only
        where these leave nothing to do one more after the other.
        """
        self.catch_up()
        while (action := self.decide()) is None and self.seen < len(self.study.history):
            self.see(self.seen + 1)
        if action and self.deterministic and not self.has_time_for(action):
            self.time_is_up = True  # another action in its place would be another history
            return None
        return action

    def has_time_for(self, action: Action) -> bool:
        return self.time.has_room_for(self.elapsed_s, action.rung)

    def decide(self) -> Action | None:
        """Return what a free worker does, as far as the schedule has seen."""
        elapsed_s = self.elapsed_s
        climber = self.schedule.climber(elapsed_s)
        if climber is None and self.exhausted:
            climber = self.schedule.leader(elapsed_s)
        elif climber is None and self.schedule.is_late(elapsed_s):
            # What the others do is not waited for in idleness, and not made longer: the time that
            # is left is worth more to those that are finished.
            busy_until_s = max((one.due_s for one in self.running), default=elapsed_s)
            climber = self.schedule.leader(elapsed_s, busy_until_s)
            if climber is None and self.schedule.can_be_born(elapsed_s, busy_until_s):
                return self.birth()
        elif climber is None:
            return self.birth()
        return None if climber is None else Action(climber.proposal, climber)

    def birth(self) -> Action | None:
        """Return a newborn; None where as many as were asked for were born, or none is left."""
        if self.schedule.is_complete():
            return None
        proposal = self.proposer.propose(self.actions)
        self.exhausted = proposal is None
        return None if proposal is None else Action(proposal)

    def start(self, action: Action) -> None:
        architecture = action.proposal.architecture
        self.proposer.note(action.proposal)
        self.schedule.start(action.number)
        known = self.study.unrecorded.get((architecture.digest, action.rung))
        # Adapted to what the strategy knows and no more, so that nothing depends on timing.
        flight = self.launcher.start(action, known, self.proposer.known)
        if (seconds := self.launcher.seconds_at(action.rung)) is not None:
            flight.due_s = self.elapsed_s + seconds
        self.running.append(flight)

    def finish(self) -> None:
        """Record finished actions, in the order in which they were started.

        In a deterministic search one that is finished before its turn waits for it on disk.
        """
        user_error: UserError | None = None
        must_wait = False
        for flight in list(self.running):
            if not self.launcher.is_done(flight):
                must_wait = self.deterministic
                continue
            try:
                evaluation = self.launcher.outcome(flight)
            except UserError as error:
                user_error = error
                must_wait = self.deterministic
                continue
            action = flight.action
            if must_wait:
                architecture = action.proposal.architecture
                self.study.keep_unrecorded(architecture, action.rung, evaluation)
            else:
                self.record(flight, evaluation)
        if user_error is not None:
            raise user_error

    def record(self, flight: Flight, evaluation: Evaluation) -> None:
        action = flight.action
        with self.ctrl_c.held_back():
            if action.climber is None:
                trial = self.study.record(action.proposal, evaluation, self.elapsed_s)
            else:
                trial = self.study.climb(action.climber.number, evaluation, self.elapsed_s)
            self.running.remove(flight)
            self.tally.take(trial)
            if not self.deterministic:
                self.catch_up()
            self.announce(kind_of(trial), trial)

    def catch_up(self) -> None:
        """Show the schedule and the strategy what they are to see before the next action."""
        due = self.actions - LOOKAHEAD + 1 if self.deterministic else len(self.study.history)
        self.see(due)
        self.teach(due)

    def see(self, events: int) -> None:
        """Show the schedule the events up to this number."""
        while self.seen < events:
            self.schedule.observe(self.study.history[self.seen])
            self.seen += 1

    def teach(self, events: int) -> None:
        """Show the strategy the events up to this number."""
        while self.taught < events:
            self.proposer.teach(self.study.history[self.taught])
            self.taught += 1

    def announce(self, kind: EventKind, trial: Trial | None = None) -> Event:
        event = Event.of(kind, trial, self.tally, self.elapsed_s, self.exhausted)
        self.on_event(event)
        return event

    def why_nothing_fits(self) -> str:
        trials, limits = self.study.trials, self.study.config.limits
        failed = [one.evaluation.reason for one in trials if one.evaluation.status == "failed"]
        if 2 * len(failed) > len(trials):
            ((reason, _),) = Counter(failed).most_common(1)
            return (
                f"{len(failed)} of {len(trials)} candidates failed and none succeeded, most often "
                f"with {reason!r}; mend that, with fewer workers where memory is short, and run "
                "the same command again."
            )
        costs = [trial.evaluation.cost for trial in trials if trial.evaluation.cost]
        return (
            f"No architecture within {limits} was found among {len(trials)} random "
            f"ones{limits.least(costs)}; raise the limit or use another space."
        )
