"""How the actions of a search run: where the evaluator, the executor and the limits meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from vidnas.core import Evaluation, UserError, WorkerKilled, WorkerLost
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.evaluator import AdaptiveEvaluator, ClimbingEvaluator, Evaluator
from vidnas.evolution.executors import Executor, StoppingExecutor
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture
from vidnas.profiling.counting import count_cost


@dataclass(frozen=True)
class Action:
    """What a worker does: a candidate climbs a rung, or one is born on the lowest."""

    proposal: Proposal
    climber: Trial | None = None

    @property
    def rung(self) -> int:
        """The rung that is climbed."""
        return self.climber.rung + 1 if self.climber else 0

    @property
    def number(self) -> int | None:
        """The number of the candidate; one that is born has none yet."""
        return self.climber.number if self.climber else None


@dataclass(eq=False)
class Flight:
    """An action that was started."""

    action: Action
    evaluator: Evaluator
    future: Future[Evaluation] = field(default_factory=Future)
    was_lost: bool = False
    """Whether a worker was lost over it."""
    due_s: float = math.inf
    """The time of the search by which it is expected to have ended."""


@dataclass(frozen=True)
class Launcher:
    """Starts actions and says what became of them."""

    config: StudyConfig
    evaluator: Evaluator
    executor: Executor
    deadline_s: float | None
    timeout_at: Callable[[int], float | None] | None = None
    """After how many seconds the climb of a rung is stopped, where the executor can do that."""

    def start(self, action: Action, known: Evaluation | None, trials: Sequence[Trial]) -> Flight:
        """Start an action; one whose outcome is known, or rejected at once, needs no worker.

        Args:
            action: what to start.
            known: its evaluation, where that was finished before its turn.
            trials: what the evaluator may adapt to.
        """
        evaluator = self.evaluator
        if isinstance(evaluator, AdaptiveEvaluator):
            evaluator = evaluator.for_candidate(action.proposal, trials)
        if isinstance(evaluator, ClimbingEvaluator):
            evaluator = evaluator.at_rung(action.rung)
        flight = Flight(action, evaluator)
        if known is None and action.climber is None:
            known = self.reject(action.proposal.architecture)
        if known is None:
            self._submit(flight)
        else:
            flight.future.set_result(known)
        return flight

    def is_done(self, flight: Flight) -> bool:
        """Return whether an action has come to its end.

        A climb whose worker was lost is started again, once: what the candidate has learned by then
        should not be thrown away for what may be the machine's fault. So is a birth whose worker
        was killed from outside, which was most likely not the candidate's fault.
        """
        if not flight.future.done():
            return False
        forgiven = WorkerLost if flight.action.climber else WorkerKilled
        if isinstance(flight.future.exception(), forgiven) and not flight.was_lost:
            flight.was_lost = True
            self._submit(flight)
        return flight.future.done()

    def outcome(self, flight: Flight) -> Evaluation:
        """Return what an action came to; it is rejected if its cost breaks a limit after all.

        Raises:
            UserError: the evaluation raised it, so it is not the candidate's fault.
        """
        error = flight.future.exception()
        if isinstance(error, UserError):
            raise error
        if error is not None:
            return Evaluation.failed_by(error)
        return self.config.limits.judge_again(flight.future.result())

    def reject(self, architecture: Architecture) -> Evaluation | None:
        """Judge what can be counted; what has no network, and latency, the evaluator measures."""
        limits = self.config.limits
        if not limits.counted or not architecture.inputs:
            return None
        try:
            cost = count_cost(architecture, len(self.config.classes))
        except Exception as error:
            return Evaluation.failed_by(error)
        return limits.judge(cost)

    def seconds_at(self, rung: int) -> float | None:
        """Return the most that climbing a rung takes; None where nobody knows."""
        if not isinstance(self.evaluator, ClimbingEvaluator):
            return None
        return self.evaluator.seconds_at(rung)

    def _submit(self, flight: Flight) -> None:
        architecture = flight.action.proposal.architecture
        seed = evaluation_seed(self.config.seed, architecture)
        arguments = architecture, seed, self.deadline_s
        timeout_s = self.timeout_at and self.timeout_at(flight.action.rung)
        if timeout_s is not None and isinstance(self.executor, StoppingExecutor):
            evaluate = flight.evaluator.evaluate
            flight.future = self.executor.submit_within(timeout_s, evaluate, *arguments)
        else:
            flight.future = self.executor.submit(flight.evaluator.evaluate, *arguments)


def evaluation_seed(study_seed: int, architecture: Architecture) -> int:
    """Return the seed of a candidate: the same for the same candidate of the same study."""
    entropy = (study_seed, int(architecture.digest, 16))
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
