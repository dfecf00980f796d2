"""The candidates of a study as Optuna trials: one for each, with an attribute for each rung."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from vidnas.core import Evaluation, UserError
from vidnas.core.value import Value
from vidnas.evolution.dashboard import parameters
from vidnas.evolution.storage import Storage, plain_storage_errors
from vidnas.evolution.trial import Proposal, Trial
from vidnas.evolution.unknown_architecture import read_architecture

_UNRECORDED = "unrecorded"
_WAITING = TypeAdapter(tuple[tuple[str, int, Evaluation], ...])

# How the dashboard shows a candidate that has come to its end; one that may still climb is running.
_STATES = {
    "ok": TrialState.COMPLETE,
    "rejected": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

Key = tuple[str, int]
"""A digest and a rung."""


class Records:
    """The storage of a study's events, each durable in one transaction.

    The first rung of a candidate is written with its Optuna trial, each further one as a single
    user attribute: a server's text columns hold 64 KB. The objective is the fitness, to be
    maximised; that of each rung is an intermediate value as well, for the dashboard's curves, and
    the genes are parameters, which only the dashboard reads.

    Args:
        storage: of the study, which exists.
        rungs: how many a candidate may climb, which says when one has come to its end.

    Raises:
        UserError: the database cannot be read, or is not the study's.
    """

    def __init__(self, storage: Storage, rungs: int) -> None:
        self._place = storage.place
        self._rungs = rungs
        with plain_storage_errors(self._place):
            self._optuna = storage.open()
        self._database = self._optuna._storage  # Optuna's own API would ask samplers each time
        self._unshown: list[tuple[Trial, set[int]]] = []
        """What a kill kept from the dashboard: candidates, and those of their rungs."""
        self._distributions: dict[str, BaseDistribution] = {}
        """What each parameter may be, as the database has it."""

    def read(self) -> tuple[list[Trial], datetime | None]:
        """Read all events: each trial as it was then, in their order, and when the latest was
        recorded.

        Raises:
            UserError: the database or a trial in it cannot be read.
        """
        with plain_storage_errors(self._place):
            stored = self._optuna.get_trials(deepcopy=False)
        events: list[_Event] = []
        for number, one in enumerate(stored):
            events += (own := _read_events(self._place, one, number))
            trial = own[-1].trial
            self._distributions |= one.distributions
            unshown = {*_curve(trial)} - {*one.intermediate_values}
            if unshown or one.state.is_finished() == trial.may_climb(self._rungs):
                self._unshown.append((trial, unshown))
        events.sort(key=lambda event: event.number)
        born = [event.trial.number for event in events if not event.trial.rung]
        if born != list(range(len(stored))):
            raise UserError(
                f"The trials in {self._place} are in no order that a search makes; restore a copy, "
                "or start a new study in another folder."
            )
        recorded = max((event.recorded for event in events), default=None)
        return [event.trial for event in events], recorded

    def add(self, trial: Trial, event: int) -> datetime:
        """Write a new candidate; when this returns it is on disk. Return the time of its record.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        now = datetime.now()
        may_climb = trial.may_climb(self._rungs)
        evaluation = trial.evaluation
        genes = parameters(trial.proposal, self._distributions)
        distributions = {name: possible for name, (_, possible) in genes.items()}
        self._distributions |= distributions
        stored = optuna.trial.create_trial(
            state=TrialState.RUNNING if may_climb else _STATES[evaluation.status],
            value=None if may_climb else evaluation.fitness,
            params={name: value for name, (value, _) in genes.items()},
            distributions=distributions,
            intermediate_values=_curve(trial),
            user_attrs={**_born(trial), "rung 0": _event(trial, event, now)},
        )
        stored.datetime_start = now - timedelta(seconds=evaluation.seconds)
        stored.datetime_complete = None if may_climb else now
        with plain_storage_errors(self._place):
            self._optuna.add_trial(stored)
        return now

    def add_rung(self, trial: Trial, event: int) -> datetime:
        """Write the latest rung of a candidate; when this returns it is on disk. Return its time.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        now = datetime.now()
        with plain_storage_errors(self._place):
            attribute = _event(trial, event, now)
            self._database.set_trial_user_attr(self._id(trial), f"rung {trial.rung}", attribute)
            self._show(trial, {trial.rung})
        return now

    def repair(self) -> int:
        """Show the dashboard what a kill kept from it; return of how many candidates.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        with plain_storage_errors(self._place):
            for trial, rungs in self._unshown:
                self._show(trial, rungs)
        return len(self._unshown)

    def _show(self, trial: Trial, rungs: set[int]) -> None:
        """Write what only the dashboard reads."""
        place, curve = self._id(trial), _curve(trial)
        for rung in sorted(rungs & curve.keys()):
            self._database.set_trial_intermediate_value(place, rung, curve[rung])
        if not trial.may_climb(self._rungs):
            state, fitness = _STATES[trial.evaluation.status], trial.evaluation.fitness
            values = None if fitness is None else [fitness]
            self._database.set_trial_state_values(place, state, values)

    def _id(self, trial: Trial) -> int:
        return self._database.get_trial_id_from_study_id_trial_number(
            self._optuna._study_id, trial.number
        )

    def read_unrecorded(self) -> dict[Key, Evaluation]:
        """Read the evaluations that waited for their turn to be recorded.

        Raises:
            UserError: they cannot be read.
        """
        with plain_storage_errors(self._place):
            kept = self._optuna.user_attrs.get(_UNRECORDED, [])
        try:
            return {(key, rung): one for key, rung, one in _WAITING.validate_python(kept)}
        except ValidationError as error:
            raise UserError(
                f"The evaluations that wait in {self._place} cannot be read; restore a copy, or "
                "start a new study in another folder."
            ) from error

    def write_unrecorded(self, kept: Mapping[Key, Evaluation]) -> None:
        """Write the evaluations that wait for their turn.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        rows = [[*key, evaluation.model_dump(mode="json")] for key, evaluation in kept.items()]
        with plain_storage_errors(self._place):
            self._optuna.set_user_attr(_UNRECORDED, rows)


@dataclass(frozen=True)
class _Event:
    number: int
    trial: Trial
    recorded: datetime


class _Born(Value):
    """What is stored of a candidate besides its events."""

    architecture: str
    digest: str
    parent: NonNegativeInt | None
    mutations: tuple[str, ...]
    design: bool


class _Stored(Value):
    """What is stored of an event besides its candidate."""

    event: int
    recorded: datetime
    elapsed_s: float
    evaluation: Evaluation


def _born(trial: Trial) -> dict[str, Any]:
    born = _Born(
        architecture=trial.architecture.to_json(),
        digest=trial.architecture.digest,
        parent=trial.proposal.parent,
        mutations=trial.proposal.mutations,
        design=trial.proposal.design,
    )
    return born.model_dump(mode="json")


def _event(trial: Trial, number: int, now: datetime) -> dict[str, Any]:
    stored = _Stored(
        event=number, recorded=now, elapsed_s=trial.elapsed_s, evaluation=trial.evaluation
    )
    return stored.model_dump(mode="json")


def _curve(trial: Trial) -> dict[int, float]:
    """Return the fitness by rung."""
    fitness = (evaluation.fitness for evaluation in trial.evaluations)
    return {rung: value for rung, value in enumerate(fitness) if value is not None}


def _read_events(place: str, stored: FrozenTrial, number: int) -> list[_Event]:
    """Return the events of the candidate of this number, rung by rung."""
    attributes = stored.user_attrs
    try:
        born = _Born.model_validate({name: attributes[name] for name in _Born.model_fields})
        if stored.number != number or (born.parent is not None and born.parent >= number):
            raise ValueError("no search numbers trials like this")
        architecture = read_architecture(born.architecture, born.digest)
        proposal = Proposal(architecture, born.parent, born.mutations, born.design)
        events: list[_Event] = []
        while (name := f"rung {len(events)}") in attributes or not events:
            event = _Stored.model_validate(attributes[name])
            earlier = events[-1].trial.evaluations if events else ()
            trial = Trial(number, proposal, event.evaluation, event.elapsed_s, earlier)
            events.append(_Event(event.event, trial, event.recorded))
        return events
    except (KeyError, ValueError, AttributeError, RecursionError, UserError) as error:
        raise UserError(
            f"Trial {stored.number} in {place} cannot be read ({error}); restore a copy, or start "
            "a new study in another folder."
        ) from error
