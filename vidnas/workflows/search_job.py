"""The work of a search of clips, once all is known and open: evolve, then finish the best."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from vidnas.core import UserError
from vidnas.core.durations import format_duration
from vidnas.core.process import available_cores
from vidnas.data.cache import ClipCache
from vidnas.deploy.finalists import (
    Finalist,
    choose_finalists,
    finished_models,
    ranked_models,
    train_finalists,
)
from vidnas.deploy.judging import Judging
from vidnas.deploy.model import Model
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.engine import run_search
from vidnas.evolution.evaluator import Evaluator
from vidnas.evolution.events import Event
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.states import StateFolder
from vidnas.evolution.strategies import Strategy
from vidnas.evolution.study import STATES_FOLDER, Study
from vidnas.families import Space
from vidnas.workflows.event_log import EventLog
from vidnas.workflows.listener import Listener, clock
from vidnas.workflows.plan import Plan, require_enough
from vidnas.workflows.recovery import finished_otherwise, timed_otherwise, unusable_states
from vidnas.workflows.reference import study_reference
from vidnas.workflows.request import SearchRequest
from vidnas.workflows.tensorboard_log import TensorBoardLog

if TYPE_CHECKING:
    from vidnas.evolution.ray_executor import RayExecutor

_DEADLINE_FACTOR, _DEADLINE_EXTRA_S = 3.0, 60.0
_SLACK_S = 600.0
"""What any rung may take besides: a network that takes a second for a clip is validated on 512, and
several wait for each other's measurements on a target."""
_TESTING_FACTOR = 10.0
"""How much longer testing may take than expected: no clock ends it, as it does training."""


@dataclass(frozen=True)
class SearchJob:
    """A search in its study's folder, which this process has locked."""

    request: SearchRequest
    plan: Plan
    study: Study
    cache: ClipCache
    listener: Listener

    def evolve(
        self,
        space: Space,
        strategy: Strategy,
        evaluator: ClipEvaluator,
        executor: LocalExecutor | RayExecutor,
    ) -> None:
        """Search until the plan's end.

        Raises:
            UserError: a study keeps its first rung, and the plan is too short for it.
        """
        if self.plan.search_s is not None and not self.study.history:
            first = (evaluator.seconds_at(rung) for rung in range(min(evaluator.rungs, 2)))
            require_enough(self.request, self.plan.search_s, sum(one or 0.0 for one in first))
        deadline_s = None
        # Training for a number of epochs takes what it takes.
        if (longest_s := evaluator.seconds_at(evaluator.rungs - 1)) is not None:
            deadline_s = _DEADLINE_FACTOR * longest_s + _DEADLINE_EXTRA_S
            executor.timeout_s = deadline_s + _DEADLINE_EXTRA_S
        limits = str(self.study.config.limits)
        self.listener.say(
            f"Searching {self.request.family} with {executor.slots} worker(s)"
            f"{f' within {limits}' if limits else ''}; Ctrl-C ends the search and keeps all that "
            "is finished."
        )
        self.listener.say(f"Strategy: {_phrase(self.study.config.strategy)}.")
        calibrated = self._calibrated(evaluator)
        with ExitStack() as stack:
            listeners = [self.listener, *_logs(self.request, self.listener, stack)]
            for one in listeners:
                one.opened(self.study.history)

            began_s = time.time()
            digests: dict[int, str] = {}

            def tell(event: Event) -> None:
                if event.trial is not None:
                    self.states.make_room(self._promising(digests), began_s)
                    if remark := unusable_states(self.states):
                        self.listener.remark(remark)
                for one in listeners:
                    one.searched(event)

            run_search(
                self.study,
                space,
                calibrated,
                strategy,
                executor,
                evaluations=self.request.evaluations,
                budget_s=self.plan.search_s,
                deadline_s=deadline_s,
                timeout_at=partial(stopped_after, evaluator, executor.timeout_s),
                on_event=tell,
            )

    def _promising(self, known: dict[int, str]) -> Iterator[str]:
        """Yield the digests of candidates that may have a state, the most promising first; those
        that are known by number are not computed again."""
        for one in sorted(self.study.trials, key=attrgetter("rank"), reverse=True):
            if one.evaluation.status != "rejected" or one.rung:
                if one.number not in known:
                    known[one.number] = one.architecture.digest
                yield known[one.number]

    def _calibrated(self, evaluator: ClipEvaluator) -> Evaluator:
        """Return the evaluator as workers take it; none is started yet: the machine is at rest."""
        request = self.request
        reference = study_reference(
            self.study.folder,
            self.listener.remark,
            runtime=request.runtime,
            threads=request.latency_threads,
            target=request.target,
        )
        if remark := timed_otherwise(self.study, request.runtime, reference.protocol):
            self.listener.remark(remark)
        evaluator = replace(evaluator, reference=reference)
        if request.executor == "local":
            return evaluator
        from vidnas.evolution.cluster_clips import ClusterClipEvaluator

        return ClusterClipEvaluator.of(evaluator)

    @property
    def states(self) -> StateFolder:
        """What the candidates have learned."""
        return StateFolder(self.study.folder / STATES_FOLDER)

    def finish_best(self, executor: LocalExecutor | RayExecutor) -> list[Model]:
        """Finish the best candidates, one per worker of this machine and one per niche.

        Args:
            executor: of the search, which is over; it is shut down in the end.

        Returns:
            All that were finished in this study on these clips, the best first: what an earlier
            search finished may still win.
        """
        workers = self.request.workers or available_cores()
        if not self.study.fittest(1):
            raise UserError(
                f"None of {len(self.study.trials)} candidates could be trained; see "
                f"{self.request.out} for why each failed, and give more time or a higher limit."
            )
        finalists, tasks = self._finalists(workers)
        names = ", ".join(str(one.trial.number) for one in finalists)
        self.listener.say(
            f"Finishing trials {names} from where they stand, "
            f"{format_duration(tasks['Finishing'])}; validation picks the answer."
        )
        with on_this_machine(executor, workers, tasks) as local:
            train_finalists(
                finalists,
                self.study,
                self.cache,
                ClipEvaluation.of_study(self.study.config).training,
                local,
                on_tick=clock(self.listener, tasks),
                on_lost=lambda trial, error: self.listener.remark(
                    f"Trial {trial.number} could not be finished ({error}), and is left out."
                ),
                on_again=lambda cards: self.listener.say(finished_otherwise(cards)),
            )
        return ranked_models(finished_models(self.study.folder), self.cache)

    def _finalists(self, workers: int) -> tuple[list[Finalist], dict[str, float]]:
        """Return who is to be finished, and how long it takes to finish and to test them; say so if
        that is beyond the budget."""
        finish_s, searched_s = self.plan.finish_s, self.study.history[-1].elapsed_s
        judging = Judging.of(self.cache, self.study.config.limits)
        finalists = choose_finalists(self.study, finish_s, workers)
        if self.request.train_time_s is None:
            judging_s = judging.expected_s([one.trial for one in finalists], workers)
            finish_s = self.plan.finish_after(searched_s, judging_s)
            finalists = choose_finalists(self.study, finish_s, workers)
        trials = [one.trial for one in finalists]
        judging_s = judging.expected_s(trials, workers)
        if remark := self.plan.overrun(searched_s, finish_s, judging_s):
            self.listener.remark(remark)
        return finalists, {
            "Finishing": finish_s,
            "Testing": judging.finished_s(trials, workers),
        }


def stopped_after(evaluator: ClipEvaluator, most_s: float | None, rung: int) -> float | None:
    """Return after how many seconds the climb of a rung is taken to hang: never later than that of
    the longest, and of a short one hours sooner where searches are long.

    On a cluster all have the time of the longest: the first on a node copies the clips.
    """
    seconds = evaluator.seconds_at(rung)
    if seconds is None or most_s is None:
        return most_s
    return min(_DEADLINE_FACTOR * seconds + _SLACK_S, most_s)


def on_this_machine(
    executor: LocalExecutor | RayExecutor, workers: int, tasks: Mapping[str, float]
) -> LocalExecutor:
    """Return workers of this machine: those of the search, which need no seconds to start again, or
    new ones in place of a cluster, which is left.

    One that freezes is not waited for without end, where these very workers have shown how long
    testing takes.
    """
    if isinstance(executor, LocalExecutor):
        testing_s = tasks["Testing"]
        longest_s = _DEADLINE_FACTOR * tasks["Finishing"] + _TESTING_FACTOR * testing_s
        executor.timeout_s = longest_s + _DEADLINE_EXTRA_S if testing_s else None
        return executor
    executor.shutdown()
    return LocalExecutor(workers)


def _logs(request: SearchRequest, listener: Listener, stack: ExitStack) -> list[Listener]:
    """Open the logs that were asked for, until the stack closes them."""
    logs: list[Listener] = []
    if request.events is not None:
        logs.append(stack.enter_context(EventLog(request.events, listener.remark)))
    if request.tensorboard is not None:
        logs.append(stack.enter_context(TensorBoardLog(request.tensorboard, listener.remark)))
    return logs


def _phrase(strategy: Mapping[str, Any]) -> str:
    """Return a strategy with its settings, for people."""
    name, *settings = strategy.items()
    described = ", ".join(
        f"{key.replace('_', ' ')} {' and '.join(value) if isinstance(value, list) else value}"
        for key, value in settings
    )
    return f"{name[1]} ({described})" if described else str(name[1])
